# SPDX-License-Identifier: MIT
"""Where containers come from. That of site.yml itself is made by debootstrap, since the
server of images that its settings name does not answer."""

import functools
import os
import shutil
import ssl
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from commands import CommandError, run
from conftest import Site

RECIPES = Path("/etc/buzon/images")
IMAGES = Path("/var/lib/buzon/images")


def release() -> str:
    return run("bash", "-c", '. /etc/os-release && printf "$VERSION_CODENAME"')


@pytest.fixture
def base(site: Site) -> Iterator[Path]:
    """The root filesystem of all images, which is in its place again afterwards."""
    file = IMAGES / f"base-{release()}.tar"
    kept = file.with_suffix(".kept")
    file.rename(kept)
    yield kept
    kept.rename(file)


@pytest.fixture
def recipe(base: Path) -> Iterator[str]:
    """Of an image without anything of its own."""
    folder = RECIPES / "probe"
    folder.mkdir()
    for name, text in {"packages": "", "setup": "", "ids": "1000000\n"}.items():
        (folder / name).write_text(text)
    settings = RECIPES / "settings"
    text = settings.read_text()
    yield folder.name
    settings.write_text(text)
    shutil.rmtree(folder)
    shutil.rmtree(IMAGES / folder.name, ignore_errors=True)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def image_server(base: Path, tmp_path: Path) -> Iterator[str]:
    """Has one image, as LXC's template asks for it; what it is called, "host:port"."""
    files = tmp_path / "files"
    image = files / "images" / "debian"
    image.mkdir(parents=True)
    extracted = tmp_path / "rootfs"
    extracted.mkdir()
    run("tar", "-C", str(extracted), "-xpf", str(base))
    (extracted / "etc" / "downloaded").touch()
    run("tar", "-C", str(extracted), "-I", "xz -0 -T2", "-cf", f"{image}/rootfs.tar.xz", ".")
    shutil.rmtree(extracted)
    (tmp_path / "config").touch()
    with tarfile.open(image / "meta.tar.xz", "w:xz") as meta:
        meta.add(tmp_path / "config", "config")
    architecture = run("dpkg", "--print-architecture").strip()
    index = files / "meta" / "1.0" / "index-system"
    index.parent.mkdir(parents=True)
    index.write_text(f"debian;{release()};{architecture};default;20261101_05:24;/images/debian\n")

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = functools.partial(Quiet, directory=str(files))
    (tmp_path / "wgetrc").write_text(f"ca_certificate = {certificate}\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"localhost:{server.server_port}"
        server.shutdown()
        thread.join()
    shutil.rmtree("/var/cache/lxc/download", ignore_errors=True)


def made(name: str, **settings: str) -> Path:
    """The root filesystem of an image."""
    lines = "".join(f"{key}={value}\n" for key, value in settings.items())
    (RECIPES / "settings").write_text(lines)
    run(
        *("buzon-image", name),
        environment={**os.environ, "WGETRC": settings["wgetrc"]},
        timeout=120,
    )
    return IMAGES / name / "current" / "rootfs"


def test_they_are_of_the_distribution_s_image_where_it_can_be_downloaded(
    recipe: str, image_server: str, tmp_path: Path
) -> None:
    root = made(
        recipe,
        release=release(),
        archive="",
        image_server=image_server,
        wgetrc=str(tmp_path / "wgetrc"),
    )
    assert (root / "etc" / "downloaded").exists()


def test_an_archive_that_is_not_there_is_named(recipe: str) -> None:
    with pytest.raises(CommandError, match="/no/such.tar \\(container_archive\\) is not there"):
        made(recipe, release=release(), archive="/no/such.tar", image_server="", wgetrc="")
