"""Pages for people, made on the server: plain HTML that needs no script. rendering.py makes them out of templates."""
