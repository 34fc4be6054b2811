# -*- coding: utf-8 -*-
"""The first thing that runs of dist/xserv.pyz: says in one sentence why it cannot go on, where it cannot.

It has to be understood by every Python that a machine may have, from 2.7 on; _bootstrap is shiv's, and is not.
"""

import os
import sys

OLDEST = (3, 11)


def refuse_old_python():
    if sys.version_info < OLDEST:
        sys.exit(
            "xserv needs Python %d.%d or later, and this is Python %d.%d (%s). Start it with another one: python3.11 %s"
            % (OLDEST + tuple(sys.version_info[:2]) + (sys.executable, sys.argv[0]))
        )


def unpack():
    """What _bootstrap.bootstrap does first, and nothing else, so that what fails is known to be the unpacking."""
    import _bootstrap

    with _bootstrap.current_zipfile() as archive:
        environment = _bootstrap.Environment.from_json(archive.read("environment.json").decode())
        try:
            folder = _bootstrap.cache_path(archive, environment.root, environment.build_id)
        except RuntimeError:  # no HOME, and no such user
            sys.exit("xserv has no place to be unpacked to, since there is no home folder. Name one in SHIV_ROOT.")
        if (folder / "site-packages").exists() and not environment.force_extract:
            return folder
        try:
            _bootstrap.extract_site_packages(
                archive, folder, environment.compile_pyc, environment.compile_workers, environment.force_extract
            )
        except OSError as error:
            remove_half(folder)
            sys.exit(
                "xserv cannot be unpacked into %s: %s. It needs about 110 MB there, once; "
                "make room, or name another folder in SHIV_ROOT." % (folder.parent, error.strerror or error)
            )
    os.environ.pop("SHIV_FORCE_EXTRACT", None)  # has been done
    return folder


def remove_half(folder):
    """What was unpacked before the disk was full would only keep it full."""
    import shutil

    shutil.rmtree(str(folder.parent / (folder.name + ".tmp")), ignore_errors=True)


def run(folder):
    import _bootstrap

    try:
        _bootstrap.bootstrap()
    except ImportError as error:
        if "xserv" in sys.modules:  # it was loaded, so this is a mistake of its own
            raise
        sys.exit(
            "xserv cannot be loaded from %s: %s. This build is for Python 3.11 to 3.14 with the whole standard "
            "library, on Linux with glibc and the kind of processor that it was built on, and its folder must be one "
            "that programs may be run from; SHIV_ROOT names another." % (folder, error)
        )


refuse_old_python()
run(unpack())
