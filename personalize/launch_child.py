"""How does a child process die with its parent?  This file becomes the child: it asks the kernel, then executes it.

Run as `python -I -S launch_child.py SIGNAL PARENT_PID UID GID NICE -- command...`; it imports nothing of the project,
so that it costs a few milliseconds.  On Linux the kernel then sends SIGNAL when the parent goes away, however it goes;
on other systems the next start recognises what was left over.
"""

import os
import sys

PR_SET_PDEATHSIG = 1
KEEP = -1


def main(arguments: list[str]) -> None:
    """Drops privileges if asked, ties this process to its parent, and executes the command."""
    death_signal, parent_pid, uid, gid, nice = (int(text) for text in arguments[:5])
    command = arguments[6:]
    libc = None
    if sys.platform == "linux":
        import ctypes  # before the change of user, who may not be able to read Python's library

        libc = ctypes.CDLL(None, use_errno=True)
    if gid != KEEP:
        os.setgroups([])
        os.setgid(gid)
    if uid != KEEP:
        os.setuid(uid)
    if nice:
        os.nice(nice)
    # After the change of user, which would clear it.
    if libc is not None and libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit("prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        sys.exit(0)  # the parent went away between starting us and the call above
    os.execv(command[0], command)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
