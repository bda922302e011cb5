"""Sources of dataset files: order, checksums, one wait per host, one download per wheel."""

import gzip
import io
import os
import subprocess
import urllib.error
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from zoo.artifact import sha256_bytes
from zoo.downloads import Wheel
from zoo.sources import DataError, DatasetFile, cache_path, fetch, fetch_all, forget, keep

BYTES = b"1,2,3\n"
URL = "https://data.example/a.csv"


def wheel_bytes(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


class Outside:
    """The network: what addresses serve, and what pip downloads; counts the calls."""

    def __init__(self) -> None:
        self.served: dict[str, bytes | Exception] = {}
        self.wheel = b""
        self.calls: list[str] = []

    def urlopen(self, url: str, timeout: float) -> io.BytesIO:
        self.calls.append(url)
        answer = self.served.get(url, urllib.error.URLError("no route"))
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    def run(self, command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.calls.append("pip")
        if not self.wheel:
            return subprocess.CompletedProcess(command, 1, "", "hm\nERROR: no match\n[notice]\n")
        dest = next(Path(c.removeprefix("--dest=")) for c in command if c.startswith("--dest="))
        dest.mkdir()
        (dest / "some.whl").write_bytes(self.wheel)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Outside:
    fake = Outside()
    monkeypatch.setattr(urllib.request, "urlopen", fake.urlopen)
    monkeypatch.setattr(subprocess, "run", fake.run)
    monkeypatch.setenv("LEANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LEANZOO_DATA", str(tmp_path / "data"))
    return fake


def in_data_folder(name: str, data: bytes) -> Path:
    path = Path(os.environ["LEANZOO_DATA"]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def a_file(**sources: object) -> DatasetFile:
    return DatasetFile("tables/a.csv", sha256_bytes(BYTES), **sources)  # type: ignore[arg-type]


def test_own_copy_is_used_in_place(outside: Outside) -> None:
    path = in_data_folder("tables/a.csv", BYTES)
    assert fetch(a_file(url=URL)) == path
    assert not outside.calls
    assert not cache_path(a_file()).exists()


def test_gzipped_copy_is_unpacked_into_the_cache(
    outside: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = in_data_folder("tables/a.csv.gz", b"no gzip")
    with pytest.raises(DataError, match="a.csv.gz: Not a gzipped file"):
        fetch(a_file())
    packed.write_bytes(gzip.compress(b"old"))
    with pytest.raises(DataError, match="cannot get tables/a.csv"):
        fetch(a_file())
    assert f"{packed} has sha256" in capsys.readouterr().err
    packed.write_bytes(gzip.compress(BYTES))
    assert fetch(a_file(url=URL)) == cache_path(a_file())
    assert cache_path(a_file()).read_bytes() == BYTES
    assert not outside.calls


def test_url_is_fetched_once_and_cached(outside: Outside) -> None:
    outside.served[URL] = BYTES
    path = fetch(a_file(url=URL))
    assert path == fetch(a_file(url=URL)) == cache_path(a_file())
    assert path.read_bytes() == BYTES
    assert outside.calls == [URL]
    assert [p.name for p in path.parent.iterdir()] == ["a.csv"]


def test_wrong_copies_are_reported_and_passed_over(
    outside: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    own = in_data_folder("tables/a.csv", b"old")
    keep(a_file(), b"damaged")
    outside.served[URL] = BYTES
    assert fetch(a_file(url=URL)).read_bytes() == BYTES
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert str(own) in lines[0]
    assert sha256_bytes(BYTES) in lines[0]


def test_host_is_waited_for_once_and_wheel_downloaded_once(outside: Outside) -> None:
    outside.wheel = wheel_bytes({f"pkg/{k}": bytes([k]) for k in range(3)})
    wheel = Wheel("pkg==1", sha256_bytes(outside.wheel))
    files = [
        DatasetFile(f"t/{k}", sha256_bytes(bytes([k])), f"https://h.example/{k}", wheel, f"pkg/{k}")
        for k in range(3)
    ]
    assert [p.read_bytes() for p in fetch_all(files)] == [b"\0", b"\1", b"\2"]
    assert outside.calls == ["https://h.example/0", "pip"]


def test_a_host_that_answers_is_asked_again(outside: Outside) -> None:
    missing = urllib.error.HTTPError("https://data.example/b", 404, "Not Found", None, None)  # type: ignore[arg-type]
    other = DatasetFile("b", None, "https://data.example/b")
    outside.served |= {URL: BYTES, "https://data.example/b": missing}
    with missing, pytest.raises(DataError, match="404"):
        fetch_all([other, a_file(url=URL)])
    assert fetch_all([a_file(url=URL)])


def test_error_names_every_source_and_the_way_by_hand(outside: Outside) -> None:
    file = a_file(url=URL, wheel=Wheel("pkg==1", "0"), member="pkg/a")
    with pytest.raises(DataError) as caught:
        fetch(file)
    message = str(caught.value)
    own = Path(os.environ["LEANZOO_DATA"]) / file.name
    for part in (str(own), str(cache_path(file)), URL, "no route", "pkg==1", "ERROR: no match"):
        assert part in message
    assert f"put the file (sha256 {file.sha256}) at {own}" in message
    assert "\n" not in message


def test_another_wheel_is_refused(outside: Outside) -> None:
    outside.wheel = wheel_bytes({"pkg/a": BYTES})
    with pytest.raises(DataError, match="expected abc"):
        fetch(a_file(wheel=Wheel("pkg==1", "abc"), member="pkg/a"))


def test_cache_that_cannot_be_written(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEANZOO_CACHE", str(in_data_folder("file", b"")))
    with pytest.raises(DataError, match="set LEANZOO_CACHE"):
        keep(a_file(), BYTES)


def test_failed_write_leaves_nothing(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="No space left"):
        keep(a_file(), BYTES)
    assert not list(cache_path(a_file()).parent.iterdir())


def test_forget_makes_the_next_fetch_fresh(outside: Outside) -> None:
    keep(a_file(), BYTES)
    forget([a_file()])
    forget([a_file()])
    with pytest.raises(DataError):
        fetch(a_file())
