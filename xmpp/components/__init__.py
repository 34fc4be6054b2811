"""Components (XEP-0114): programs such as bridges that connect to this server and answer at domains of their own."""
