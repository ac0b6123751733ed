"""Make the settings and secrets that the stack needs; what is there already stays as it is.

    python3 docker/prepare.py                          docker/.env and docker/secrets/, with random passwords
    python3 docker/prepare.py --device 464fc87d3c5a    a password for a device; printed once, kept hashed
    python3 docker/prepare.py --gateway hall-7         one for a gateway, which may publish for any sensor
    python3 docker/prepare.py --remove 464fc87d3c5a    take the password of a device or gateway away

Needs nothing but Python 3.8. Restart the service `mosquitto` after changing devices or gateways.
"""

import argparse
import base64
import hashlib
import os
import re
import secrets
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PASSWORDS = (
    "mongo_root_password",
    "mongo_password",
    "mongo_viewer_password",
    "mqtt_bridge_password",
    "mqtt_simulator_password",
    "peer_secret",
)
# Mosquitto's own: PBKDF2 with SHA-512, so many rounds, 12 bytes of salt.
ROUNDS = 101
# Weir's, less the colon: it ends the name in the password file.
SENSOR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
TAKEN = {"bridge", "simulator", "health"}
DEVICES, GATEWAYS = "mqtt_devices", "mqtt_gateways"


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", metavar="SENSOR_ID", help="give a device a password")
    parser.add_argument("--gateway", metavar="NAME", help="give a gateway one")
    parser.add_argument("--remove", metavar="NAME", help="take it away")
    parser.add_argument("--env", type=Path, default=HERE / ".env", help="settings of compose (docker/.env)")
    parser.add_argument("--secrets", type=Path, default=HERE / "secrets", help="folder (docker/secrets)")
    options = parser.parse_args()
    prepare(options.env, options.secrets)
    if options.remove:
        for kind in (DEVICES, GATEWAYS):
            write_users(options.secrets / kind, options.remove, "")
    for name, kind, other in ((options.device, DEVICES, GATEWAYS), (options.gateway, GATEWAYS, DEVICES)):
        if name:
            let_in(name, options.secrets / kind, options.secrets / other)


def let_in(name: str, file: Path, other: Path) -> None:
    """Give a device or a gateway a password and print it; nobody is both."""
    if not SENSOR_ID.fullmatch(name) or name in TAKEN:
        sys.exit(f"{name!r} cannot be the user name of a device or gateway: use letters, digits or . _ @ -")
    if name in users(other):
        sys.exit(f"{name!r} is in {other.name} already: remove it there first (--remove {name})")
    password = secrets.token_urlsafe(18)
    write_users(file, name, hashed(password))
    sys.stdout.write(f"{name} {password}\n")


def prepare(env: Path, folder: Path) -> None:
    """Write what is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in PASSWORDS:
        write(folder / name, secrets.token_urlsafe(24))
    password = (folder / "mongo_password").read_text(encoding="utf-8").strip()
    write(folder / "mongo_uri", f"mongodb://weir:{password}@mongo:27017/server?authSource=server")
    for name in (DEVICES, GATEWAYS):
        write(folder / name, "")
    write(folder / "notify_targets", "{}")
    if not env.exists():
        text = (HERE / ".env.example").read_text(encoding="utf-8")
        for name in ("MONGO_EXPRESS_PASSWORD", "MONGO_EXPRESS_SESSION_SECRET"):
            text = text.replace(f"\n{name}=\n", f"\n{name}={secrets.token_urlsafe(18)}\n")
        env.parent.mkdir(parents=True, exist_ok=True)
        write(env, text, mode=0o600)


def write(file: Path, text: str, mode: int = 0o444) -> None:
    """Write a file that is not there yet.

    The containers run as other users than the one who writes, and a file secret is mounted as it is: so
    everybody may read the file, and nobody but its owner may enter the folder.
    """
    if file.exists():
        return
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as new:
        new.write(text)
    file.chmod(mode)


def users(file: Path) -> "list[str]":
    """Return the names in a file of users."""
    return [line.partition(":")[0] for line in file.read_text(encoding="utf-8").splitlines() if line]


def write_users(file: Path, name: str, password: str) -> None:
    """Set a user's hashed password in place (compose mounts this very file); an empty one removes it."""
    known = file.read_text(encoding="utf-8").splitlines()
    lines = [line for line in known if line and not line.startswith(f"{name}:")]
    if password:
        lines.append(f"{name}:{password}")
    file.chmod(0o644)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    file.chmod(0o444)


def hashed(password: str) -> str:
    """Return a password as Mosquitto's password file has it."""
    salt = os.urandom(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return "$7${}${}${}".format(ROUNDS, *(base64.b64encode(part).decode() for part in (salt, key)))


if __name__ == "__main__":
    main()
