"""xserv: where the program starts. Its commands are in cli/commands.py; assembly.py puts its parts together."""

from gevent import monkey

monkey.patch_all()  # before anything else imports sockets and threads

import sys

from xmpp.running import logs

if logs.asks_for_json(sys.argv[1:]):
    logs.start_logging("json", "info")  # for whatever is logged by the imports, or before the arguments are parsed

from cli.commands import main

if __name__ == "__main__":
    main(prog_name="xserv")
