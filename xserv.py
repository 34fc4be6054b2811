"""xserv: where the program starts. What it can do stands in cli/commands.py, what it is made of in assembly.py."""

from gevent import monkey

monkey.patch_all()  # before anything else imports sockets and threads

import sys

from xmpp.running import logs

if logs.asks_for_json(sys.argv[1:]):
    logs.start_logging("json", "info")  # for what is said by what is imported, or before the arguments are understood

from cli.commands import main

if __name__ == "__main__":
    main(prog_name="xserv")
