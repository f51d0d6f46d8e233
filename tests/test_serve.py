"""What `stylecli serve` answers: pictures and events for those who may ask, one line for everything else."""

import io
import json
import shlex
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Result
from PIL import Image

pytest.importorskip("starlette", reason="needs stylecli[serve]")
pytest.importorskip("python_multipart", reason="needs stylecli[serve]")
pytest.importorskip("httpx", reason="needs httpx")
with warnings.catch_warnings():
    # It would rather have another client.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from stylecli.device import resolve
from stylecli.media.stored_settings import read_settings
from stylecli.serving.app import LARGEST_JSON, Service
from stylecli.serving.desk import Desk, Gone
from stylecli.serving.shelf import Shelf
from stylecli.settings.serving import Serving
from stylecli.settings.shared import Machine

EXAMPLES = Path(__file__).parents[1] / "stylecli/examples"
TOKEN = "0123456789abcdef"
HOME = "http://127.0.0.1:8765"
PAINT = {"method": "fast", "options": {"style": "udnie", "alpha": 0.5}, "preview": 64}


def service(**limits: Any) -> Service:
    serving = Serving(**limits)
    return Service(Shelf(serving, resolve("cpu"), Machine(device="cpu")), Desk(serving.queue))


def client(made: Service, **headers: str) -> TestClient:
    return TestClient(made.app(TOKEN), base_url=HOME, headers={"authorization": f"Bearer {TOKEN}", **headers})


@pytest.fixture(scope="module")
def shared() -> Iterator[Service]:
    made = service()
    yield made
    made.desk.close()


@pytest.fixture
def http(shared: Service) -> TestClient:
    return client(shared)


def png(width: int = 96, height: int = 64, seed: int = 0) -> bytes:
    levels = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed)).mul(255).byte().numpy()
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def upload(http: TestClient, name: str = "a.png", data: bytes | None = None) -> str:
    answer = http.post("/api/pictures", params={"name": name}, content=data or png())
    assert answer.status_code == 201, answer.text
    number: str = answer.json()["id"]
    return number


def picture(answer: Any) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def refused(answer: Any, status: int) -> str:
    """The one line of an answer that is none."""
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told) == {"error", "hint"}
    assert "\n" not in told["error"] + told["hint"]
    assert "Traceback" not in told["error"]
    error: str = told["error"]
    return error


def test_a_preview_is_as_large_as_was_asked_and_the_strength_counts(http: TestClient):
    number = upload(http)
    weak, strong = (
        picture(http.post("/api/jobs", json={**PAINT, "content": number, "options": {"style": "udnie", **more}}))
        for more in ({"alpha": 0.1}, {})
    )
    assert weak.size == strong.size == (64, 43)
    # What a job leaves out is the default, whatever the one before it said.
    again = picture(http.post("/api/jobs", json={**PAINT, "content": number, "options": {"style": ["udnie"]}}))
    assert again.tobytes() == strong.tobytes() != weak.tobytes()


def test_what_is_saved_is_the_file_of_the_command_that_is_told(
    http: TestClient, cli: Callable[..., Result], tmp_path: Path
):
    pictures = {"photo's.png": png(), "wave.png": png(80, 70, 1), "night.png": png(50, 50, 2)}
    numbers = [upload(http, name, data) for name, data in pictures.items()]
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
    job = {
        "method": "adain",
        "content": numbers[0],
        "styles": numbers[1:],
        "shares": [1, 3],
        "options": {"alpha": 0.4, "preserve_color": "luminance"},
    }
    answer = http.post("/api/jobs", json=job)
    assert answer.status_code == 200, answer.text
    words = shlex.split(http.post("/api/command", json=job).json()["command"])
    assert words[0] == "stylecli"
    done = cli(*words[1:], "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert answer.headers["content-disposition"].endswith(done.stdout.strip().replace("'", "%27").replace("+", "%2B"))
    assert Path(done.stdout.strip()).read_bytes() == answer.content


def test_a_job_may_bring_its_pictures_along(http: TestClient):
    files = [("content", ("b.png", png())), ("style", ("s.png", png(seed=3))), ("style", ("t.png", png(seed=4)))]
    job = {"method": "adain", "shares": [1, 2], "format": "png"}
    answer = http.post("/api/jobs", files=files, data={"job": json.dumps(job)})
    assert picture(answer).format == "PNG"
    record = json.loads(read_settings(answer.content) or "")
    assert [each["path"] for each in record["inputs"]["style"]] == ["s.png", "t.png"]


def test_events_end_with_a_picture_or_a_line(http: TestClient):
    number = upload(http)
    accept = {"accept": "text/event-stream"}
    text = http.post("/api/jobs", json={**PAINT, "content": number, "preview": None}, headers=accept).text
    kinds = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert (kinds[0], kinds[-1]) == ("queued", "done")
    told = json.loads(text.strip().rpartition("data: ")[2])
    assert told["command"] == "stylecli fast a.png --style udnie --alpha 0.5"
    found = http.get(told["url"])
    assert picture(found).size == (told["width"], told["height"]) == (96, 64)
    assert len(found.content) == told["bytes"]
    archive = http.post("/api/archive", json={"results": [told["id"]] * 2})
    assert zipfile.ZipFile(io.BytesIO(archive.content)).namelist() == ["a_fast_udnie.png", "a_fast_udnie_2.png"]
    wrong = http.post(
        "/api/jobs", json={"method": "fast", "content": number, "options": {"style": "x"}}, headers=accept
    )
    assert "event: failed" in wrong.text
    assert json.loads(wrong.text.strip().rpartition("data: ")[2])["status"] == 400


def test_every_method_that_is_offered_makes_a_picture(http: TestClient):
    content, style = upload(http), upload(http, "s.png", png(seed=5))
    told = http.get("/api/methods").json()
    assert [one["method"] for one in told["methods"]] == ["fast", "adain", "stargan ref", "stylegan sample"]
    assert len(told["styles"]) == 16
    for one in told["methods"]:
        job: dict[str, Any] = {"method": one["method"], "preview": 64, "options": {}}
        job |= {"content": content} if one["content"] else {}
        job |= {"styles": [style]} if one["styles"] else {}
        job["options"] |= {"style": ["great_wave"]} if one["method"] == "fast" else {}
        job["options"] |= {"seeds": 4, "psi": 0.5} if one["method"] == "stylegan sample" else {}
        assert max(picture(http.post("/api/jobs", json=job)).size) == 64
        assert http.post("/api/command", json=job).json()["command"].startswith(f"stylecli {one['method']}")


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"method": "gatys"}, 400, "method gatys: not served"),
        ({"method": ["fast"]}, 400, "not served"),
        ({"content": "/etc/passwd"}, 404, "picture /etc/passwd: not here"),
        ({"content": "../a.png"}, 404, "not here"),
        ({"content": None}, 400, "content: missing"),
        ({"styles": ["x"]}, 400, "styles: takes none"),
        ({"options": {"weights": "/etc/passwd"}}, 400, "weights: no such option here"),
        ({"options": {"refine": 10**9}}, 400, "refine: no such option here"),
        ({"options": {"style": "udnie", "alpha": 2}}, 400, "--alpha 2: not a number from 0 to 1"),
        ({"options": {"style": "udnie", "alpha": "1"}}, 400, "--alpha '1': not a number"),
        ({"options": {"style": "x" * 999}}, 400, "style: too long"),
        ({"options": {"style": "udnie", "size": 16384}}, 413, "pixels"),
        ({"options": []}, 400, "options: not an object"),
        ({"preview": 10**6}, 400, "preview 1000000: not a whole number from 16 to 4096"),
        ({"preview": True}, 400, "preview True"),
        ({"format": "exe"}, 400, "format exe: not one of"),
        ({"quality": 0}, 400, "quality 0: not a whole number"),
        ({"extra\n\x1b[2J": 1}, 400, "no such key"),
        ({"method": "stylegan sample", "content": None, "options": {"seeds": "/etc/x.npz"}}, 400, "seeds /etc/x.npz"),
        ({"method": "stylegan sample", "content": None, "options": {"noise": "/etc/a.safetensors"}}, 400, "noise: one"),
        ({"method": "stylegan sample", "content": None, "options": {"center": "/etc/a.npy"}}, 400, "center: no such"),
        ({"method": "adain", "styles": ["/etc/passwd"], "options": {}}, 404, "picture /etc/passwd: not here"),
        ({"method": "adain", "styles": ["x"] * 9, "options": {}}, 400, "styles: not a list of at most 8"),
        ({"method": "adain", "styles": ["x"], "shares": [float("nan")], "options": {}}, 400, "shares: not 1 numbers"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(http: TestClient, change: dict[str, Any], status: int, says: str):
    job = {**PAINT, "content": upload(http), **change}
    body = json.dumps({key: value for key, value in job.items() if value is not None})
    assert says in refused(http.post("/api/jobs", content=body), status)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'"x"', b"null"])
def test_bodies_that_are_no_job(http: TestClient, body: bytes):
    for path in ("/api/jobs", "/api/command", "/api/archive"):
        assert http.post(path, content=body).status_code in (400, 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/pictures/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/../../../../etc/passwd", 404),
        ("GET", "/api/results/x", 404),
        ("GET", "/page.html", 404),
        ("DELETE", "/api/pictures/x", 404),
        ("PUT", "/api/pictures/x", 405),
        ("GET", "/api/pictures/x?preview=1e9", 400),
    ],
)
def test_paths_lead_nowhere_but_to_what_was_uploaded(http: TestClient, method: str, path: str, status: int):
    assert refused(http.request(method, path), status)


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 gray pixels in a few kilobytes."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    )


def test_files_that_are_no_pictures_and_bombs(http: TestClient):
    for data, status in ((b"", 400), (b"<svg/>", 400), (png()[:99], 400), (bomb(), 400), (b"\0" * 999, 400)):
        answer = http.post("/api/pictures", params={"name": "x.png"}, content=data)
        assert refused(answer, status).startswith("x.png: ")
    small = client(service(max_pixels=5000))
    assert "6,144 pixels" in refused(small.post("/api/pictures", content=png()), 413)


def test_names_have_no_folders_and_no_two_are_the_same(http: TestClient):
    name = "../../etc/\x1b[2Jpass<w>d\n.png"
    told = http.post("/api/pictures", params={"name": name}, content=png(seed=7)).json()
    assert told["name"] == "_[2Jpass_w_d_.png"
    again = http.post("/api/pictures", params={"name": name}, content=png(seed=7)).json()
    assert again == told
    other = http.post("/api/pictures", params={"name": name}, content=png(seed=8)).json()
    assert other["name"] == "_[2Jpass_w_d__2.png"
    assert http.post("/api/pictures", params={"name": "/"}, content=png(seed=9)).json()["name"] == "picture"


def test_bodies_are_measured_before_they_are_read():
    small = client(service(max_upload="1K"))
    read = 0

    def parts() -> Iterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield bytes(512)

    assert "more than 1,024 bytes" in refused(small.post("/api/pictures", content=png()), 413)
    assert "more than 1,024 bytes" in refused(small.post("/api/pictures", content=parts()), 413)
    assert "more than" in refused(small.post("/api/jobs", content=b" " * (LARGEST_JSON + 1)), 413)
    lying = {"content-length": "-5"}
    assert "content-length" in refused(small.post("/api/pictures", content=b"x", headers=lying), 400)
    files = [("content", ("a.png", png(300, 300)))]
    assert "more than" in refused(small.post("/api/jobs", files=files, data={"job": json.dumps(PAINT)}), 413)


def test_pictures_that_were_not_used_for_longest_go():
    made = client(service(max_pictures=2))
    first, second, third = (upload(made, f"{n}.png", png(seed=n)) for n in range(3))
    assert "not here" in refused(made.get(f"/api/pictures/{first}"), 404)
    assert picture(made.get(f"/api/pictures/{third}", params={"preview": 32})).size == (32, 21)
    assert made.delete(f"/api/pictures/{second}").status_code == 204
    assert refused(made.delete(f"/api/pictures/{second}"), 404)


def test_more_than_may_wait_are_told_to_come_again():
    made = service(queue=1)
    go = threading.Event()
    for _ in range(2):
        made.desk.submit("full", lambda _: go.wait(30))
    http = client(made)
    job = {**PAINT, "content": upload(http), "preview": None}
    answer = http.post("/api/jobs", json=job)
    assert "busy: 2 jobs" in refused(answer, 429)
    assert answer.headers["retry-after"] == "1"
    # Previews have a lane of their own.
    assert picture(http.post("/api/jobs", json={**job, "preview": 48})).size == (48, 32)
    go.set()
    made.desk.close()


def test_a_job_that_nobody_waits_for_ends():
    desk = Desk(4)
    begun, done = threading.Event(), []

    def work(listener: Callable[..., None]) -> None:
        begun.set()
        while True:
            listener(None)

    ticket, waiting = desk.submit("full", work), desk.submit("full", lambda _: done.append(1))
    assert begun.wait(10)
    assert waiting.ahead == 1
    waiting.leave()
    ticket.leave()
    with pytest.raises(Gone):
        ticket.result.result(10)
    desk.submit("full", lambda _: None).result.result(10)
    assert not done
    assert desk.inside["full"] == 0
    desk.close()


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ({"authorization": ""}, 401, "no token"),
        ({"authorization": "Bearer 0123456789abcdeF"}, 401, "no token"),
        ({"authorization": f"Basic {TOKEN}"}, 401, "no token"),
        ({"authorization": "Bearer \xff\xfe"}, 401, "no token"),
        ({"host": "evil.example"}, 403, "host evil.example: not served here"),
        ({"host": "127.0.0.1.evil.example:8765"}, 403, "not served here"),
        ({"host": "192.168.1.7:8765"}, 403, "not served here"),
        ({"host": ""}, 403, "not served here"),
        ({"origin": "http://evil.example"}, 403, "another site"),
        ({"origin": "http://127.0.0.1:9999"}, 403, "another site"),
        ({"origin": "null"}, 403, "another site"),
        ({"sec-fetch-site": "cross-site"}, 403, "another site asks"),
        ({"sec-fetch-site": "same-site"}, 403, "another site asks"),
    ],
)
def test_strangers_are_kept_out(shared: Service, headers: dict[str, str], status: int, says: str):
    raw = {key: value.encode("latin-1") for key, value in headers.items()}
    for path in ("/api/jobs", "/api/pictures", "/api/archive", "/api/command"):
        assert says in refused(client(shared).post(path, content=png(), headers=raw), status)
    for path in ("/api/methods", "/api/pictures/x", "/api/results/x"):
        assert says in refused(client(shared).get(path, headers=raw), status)


def test_who_belongs_here_comes_in(shared: Service):
    for host in ("localhost:8765", "127.0.0.1", "[::1]:8765", "LOCALHOST."):
        headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
        assert client(shared, **headers).get("/api/methods").status_code == 200
    far = Service(
        Shelf(Serving(host="0.0.0.0", allow_host=("studio.lan",)), shared.shelf.device, Machine()), shared.desk
    )
    for host, status in (("studio.lan", 200), ("192.168.1.7:8765", 200), ("evil.example", 403)):
        assert client(far, host=host).get("/api/methods").status_code == status
    # A duplicate of a header that decides is refused, whichever of them would be taken.
    twice = [("host", "127.0.0.1"), ("host", "evil.example"), ("authorization", f"Bearer {TOKEN}")]
    bare = TestClient(shared.app(TOKEN), base_url=HOME)
    assert bare.get("/api/methods", headers=twice).status_code in (400, 403)


def test_the_page_is_one_file_that_loads_nothing(shared: Service):
    answer = TestClient(shared.app(TOKEN), base_url=HOME).get("/")
    assert answer.status_code == 200
    assert TOKEN not in answer.text
    assert not [word for word in ("http://", "https://", "src=", "@import", "url(") if word in answer.text]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"


def test_the_description_knows_every_way_in(shared: Service):
    document = TestClient(shared.app(TOKEN), base_url=HOME).get("/openapi.json").json()
    gate: Any = shared.app(TOKEN)
    ways = {
        (route.path.replace("{number}", "{id}"), method.lower())
        for route in gate.app.routes
        for method in route.methods - {"HEAD"}
    }
    known = {(path, method) for path, each in document["paths"].items() for method in each}
    assert ways - known == {("/", "get"), ("/openapi.json", "get")}
    assert known <= ways
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    assert {f"#/components/schemas/{name}" for name in schemas} == {
        part.split('"')[0] for part in text.split('"$ref": "')[1:]
    }
    fast = next(job for job in schemas["Job"]["oneOf"] if job["title"] == "fast")
    alpha = fast["properties"]["options"]["properties"]["alpha"]
    assert (alpha["minimum"], alpha["maximum"], alpha["default"]) == (0, 1, 1.0)


def test_the_command_says_what_is_wrong(cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch):
    assert cli("serve", "--host", "0.0.0.0", "--no-token").stderr.startswith("--no-token: not with --host 0.0.0.0")
    assert cli("serve", "--max-upload", "x").stderr.startswith("--max-upload x: not a size")
    assert cli("serve", "--host", "203.0.113.1").exit_code == 2
    monkeypatch.setenv("STYLECLI_TOKEN", "short")
    assert cli("serve").stderr.startswith("STYLECLI_TOKEN: not a token")
    monkeypatch.setattr("stylecli.commands.serve.EXTRA", ("starlette", "no_such_package"))
    done = cli("serve")
    assert (done.exit_code, done.stderr.splitlines()) == (
        2,
        ["serve: needs no_such_package", "hint: pip install 'stylecli[serve]'"],
    )


def test_it_serves_until_ctrl_c(tmp_path: Path):
    import signal

    import httpx

    words = [sys.executable, "-m", "stylecli", "serve", "--port", "0", "--device", "cpu"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address, _, token = process.stdout.readline().strip().partition("#")
        assert len(token) >= 32
        assert httpx.get(address).status_code == 200
        assert httpx.get(f"{address}api/methods").status_code == 401
        assert httpx.get(f"{address}api/methods", headers={"authorization": f"Bearer {token}"}).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr
        assert not process.stderr.read()
