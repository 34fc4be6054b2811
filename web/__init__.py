"""The HTTP side of a server: WebSocket, BOSH, files, pages. parts.py lists what there is."""
