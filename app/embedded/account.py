"""Running the servers as an ordinary user when the platform itself was started by root.

PostgreSQL refuses to run as root. As root we therefore give the servers an account of their own without a shell,
hand it their folders, and let it *pass through* (not read) the folders above them.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "quanheng"
# Present on every Unix; used only where accounts cannot be added (a read-only image).
_FALLBACK = "nobody"


@dataclass(frozen=True)
class Account:
    """The user the servers run as."""

    name: str
    uid: int
    gid: int


def service_account() -> Account | None:
    """The account of the servers, made on first use; None when we are not root and run them as ourselves."""
    if os.geteuid() != 0:
        return None
    entry = _lookup(ACCOUNT)
    useradd = shutil.which("useradd") or "/usr/sbin/useradd"  # sbin is not on every PATH
    if entry is None and os.access(useradd, os.X_OK):
        arguments = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
        subprocess.run([useradd, *arguments], check=False, capture_output=True)
        entry = _lookup(ACCOUNT)
    entry = entry or pwd.getpwnam(_FALLBACK)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _lookup(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def private_folder(path: Path, account: Account | None) -> None:
    """Make a folder only its owner may enter, with everything in it belonging to the account.

    Raises:
        PermissionError: the folder belongs to somebody else, who started the platform here before, or who put it under
            /tmp to trap us.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = account.uid if account else os.geteuid()
    if path.is_symlink() or (path.stat().st_uid not in {owner, os.geteuid()} and not _ours_by_parent(path, account)):
        raise PermissionError(f"目录 {path} 属于另一个用户")
    path.chmod(0o700)
    if account is not None:
        give(path, account)


def _ours_by_parent(path: Path, account: Account | None) -> bool:
    """Root's own data directory, whose account had another number: a rebuilt container with a kept volume."""
    above = path.parent.stat()
    return account is not None and above.st_uid == 0 and not above.st_mode & stat.S_IWOTH


def give(path: Path, account: Account) -> None:
    """Change the owner of a folder and its content, if it is not the account already."""
    if path.stat().st_uid == account.uid:
        return
    for folder, _, files in os.walk(path):
        for name in files:
            os.chown(os.path.join(folder, name), account.uid, account.gid, follow_symlinks=False)
        os.chown(folder, account.uid, account.gid)


def let_through(path: Path) -> None:
    """Let other users pass (x, not r) through every folder above ``path`` that stops them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def let_read(tree: Path) -> None:
    """Let other users read and run an installed program folder, in case it was installed with a tight umask."""
    let_through(tree)
    if tree.stat().st_mode & stat.S_IROTH and tree.stat().st_mode & stat.S_IXOTH:
        return
    for folder, _, files in os.walk(tree):
        os.chmod(folder, os.stat(folder).st_mode | 0o055)
        for name in files:
            target = Path(folder, name)
            mode = target.stat().st_mode
            target.chmod(mode | 0o044 | (0o011 if mode & stat.S_IXUSR else 0))
