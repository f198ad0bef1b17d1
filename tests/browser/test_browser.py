"""What people do with the page, done in Chromium: drop, paste, choose, look inside, read, watch, stop."""

import base64
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from alexnet.run import Run
from tests.browser.conftest import PATIENCE, Open
from tests.conftest import trained
from tests.serve.conftest import Process, eventually, picture

expect.set_options(timeout=PATIENCE)
FLOWERS = {"sunflower": 9, "bluebell": 3, "tiger lily": 6}  # and their places among the seventeen
EACH = 20  # pictures of a class
TO = {
    "drop": "document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: all, bubbles: true, cancelable: true}))",
    "paste": "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: all, bubbles: true}))",
}


@pytest.fixture(scope="module")
def colours(taught_run: Run) -> Iterator[Process]:
    server = Process(taught_run.path)
    yield server
    server.end()


def _give(page: Page, way: str, name: str, content: bytes) -> None:
    """Drop or paste a file, as a hand would."""
    page.evaluate(
        f"""([data, name]) => {{
            const all = new DataTransfer();
            all.items.add(new File([Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0))], name));
            {TO[way]};
        }}""",
        [base64.b64encode(content).decode("ascii"), name],
    )


def _choose(page: Page, *pictures: tuple[str, bytes]) -> None:
    files: list[FilePayload] = [
        {"name": name, "mimeType": "image/png", "buffer": content} for name, content in pictures
    ]
    page.set_input_files("#choose", files)


@pytest.fixture(scope="module")
def flowers(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Path]]:
    """A network that was quickly taught three flowers, and a picture of each."""
    folder = tmp_path_factory.mktemp("three flowers")
    with tarfile.open(real_data / "17flowers" / "17flowers.tgz") as archive:
        for label, place in FLOWERS.items():
            (folder / label).mkdir()
            for number in range(place * 80 + 1, place * 80 + 1 + EACH):
                file = archive.extractfile(f"jpg/image_{number:04d}.jpg")
                assert file is not None
                (folder / label / f"{number}.jpg").write_bytes(file.read())
    run = trained(tmp_path_factory, folder, model="owt-bn", imgsz=95, epochs=4, batch_size=10)
    return run, {label: folder / label / f"{place * 80 + 1}.jpg" for label, place in FLOWERS.items()}


@pytest.mark.real
def test_a_flower_that_is_dropped_is_named_and_shown_from_inside(
    tab: Open, flowers: tuple[Run, dict[str, Path]]
) -> None:
    run, pictures = flowers
    label = "sunflower"
    server = Process(run.path)
    try:
        opened = tab(server.url)
        page = opened.page
        expect(page.locator("#subtitle")).to_contain_text("3 classes")
        _give(page, "drop", "a flower.jpg", pictures[label].read_bytes())
        expect(page.locator(".answer h2")).to_contain_text(label)
        expect(page.locator(".bar .label").first).to_have_text(label)
        expect(page.locator(".heat")).to_be_visible()
        assert page.locator(".heat").evaluate("image => image.naturalWidth") > 100
        for number in range(1, 6):
            expect(page.get_by_role("heading", name=re.compile(f"^conv{number}"))).to_be_visible()
        page.get_by_role("button", name=re.compile("conv5, map")).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert _is_painted(page, "#map-values")
        assert _is_painted(page, "#map-spot")
        assert opened.faults() == []
    finally:
        server.end()


def _is_painted(page: Page, canvas: str) -> bool:
    """Whether there is more than one colour on it."""
    return bool(
        page.eval_on_selector(
            canvas,
            """canvas => new Set(new Uint32Array(canvas.getContext("2d")
                .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 1""",
        )
    )


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_named_however_it_comes(tab: Open, colours: Process, way: str) -> None:
    page = tab(colours.url).page
    expect(page.locator("#subtitle")).to_contain_text("3 classes")
    _give(page, way, "one.png", picture("green"))
    expect(page.locator(".answer h2")).to_contain_text("green")
    expect(page.locator("#announcement")).to_contain_text("one.png: green")


@pytest.mark.fault("E14")
def test_several_pictures_are_a_list_and_their_names_are_text_only(tab: Open, colours: Process) -> None:
    page = tab(colours.url).page
    expect(page.locator("#subtitle")).to_contain_text("3 classes")
    hostile = "<img src=x onerror=alert(1)>.png"
    _choose(page, (hostile, picture("red")), ("b.png", picture("blue")), ("c.png", picture("green")))
    expect(page.locator(".result .heat:visible")).to_have_count(3)
    named = [re.sub(r"[^a-z]", "", text) for text in page.locator(".answer h2").all_inner_texts()]
    assert named == ["red", "blue", "green"]
    expect(page.locator(".file").first).to_have_text(hostile)
    assert page.locator("img[src=x]").count() == 0


def test_what_is_no_picture_is_told_beside_the_others(tab: Open, colours: Process) -> None:
    page = tab(colours.url, refusals=True).page
    expect(page.locator("#subtitle")).to_contain_text("3 classes")
    _choose(page, ("good.png", picture("red")), ("bad.png", b"no picture"))
    expect(page.locator(".result.failed .note")).to_contain_text("picture")
    expect(page.locator(".result:not(.failed) h2")).to_contain_text("red")


def test_another_class_has_another_heat_map_and_the_slider_lays_it_thinner(tab: Open, colours: Process) -> None:
    page = tab(colours.url).page
    expect(page.locator("#subtitle")).to_contain_text("3 classes")
    _choose(page, ("a.png", picture("red")))
    expect(page.locator(".heat")).to_be_visible()
    first = page.locator(".heat").get_attribute("src")
    page.get_by_role("button", name=re.compile("^blue")).click()
    expect(page.locator(".heat")).not_to_have_attribute("src", str(first))
    expect(page.locator(".heat")).to_have_attribute("alt", re.compile("blue"))
    page.get_by_role("slider").fill("20")
    expect(page.locator(".heat")).to_have_css("opacity", "0.2")


def test_everything_is_reached_by_keyboard(tab: Open, colours: Process) -> None:
    page = tab(colours.url).page
    expect(page.locator("#subtitle")).to_contain_text("3 classes")
    _choose(page, ("a.png", picture("red")))
    page.get_by_role("button", name=re.compile("conv1, map")).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    title = page.locator("#map-title")
    expect(title).to_be_visible()
    before = title.inner_text()
    page.keyboard.press("ArrowRight")
    expect(title).not_to_have_text(before)
    page.keyboard.press("Escape")
    expect(title).not_to_be_visible()
    page.locator("#tab-classify").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Training")).to_be_focused()
    expect(page.get_by_role("heading", name="Taken for what")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(tab: Open, colours: Process, scheme: str) -> None:
    """Both tabs, at a telephone's width in the light and on a desk in the dark, nothing wider than the screen."""
    small = scheme == "light"
    opened = tab(
        colours.url,
        color_scheme=scheme,
        viewport={"width": 360 if small else 1280, "height": 800},
        has_touch=small,
        is_mobile=small,
    )
    page = opened.page
    expect(page.locator("#subtitle")).to_contain_text("3 classes")
    expect(page.get_by_text("Take a photo")).to_be_visible(visible=small)
    _choose(page, ("a.png", picture("red")))
    expect(page.locator(".tile canvas").first).to_be_visible()
    expect(page.locator(".heat")).to_be_visible()
    assert opened.faults() == []
    assert _fits(page)
    page.get_by_role("tab", name="Training").click()
    expect(page.locator(".chart .line").first).to_be_visible()
    expect(page.locator(".gallery canvas").first).to_be_visible()
    assert opened.faults() == []
    assert _fits(page)


def _fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_a_token_is_asked_for_until_it_is_right(tab: Open, taught_run: Run) -> None:
    server = Process(taught_run.path, ALEXNET_TOKEN="open sesame")
    try:
        page = tab(server.url, refusals=True).page
        page.get_by_role("textbox", name="Token").fill("wrong")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alert")).to_have_text("That was not the token.")
        page.get_by_role("textbox", name="Token").fill("open sesame")
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#subtitle")).to_contain_text("3 classes")
        _choose(page, ("a.png", picture("red")))
        expect(page.locator(".answer h2")).to_contain_text("red")
        expect(page.locator(".heat")).to_be_visible()
    finally:
        server.end()


def test_curves_grow_while_a_training_runs_until_it_is_stopped_from_the_page(tab: Open, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    training = _started(tmp_path, "train", "--epochs", "500", "--device", "cpu", "--project", ".", "--name", "run")
    watching = None
    try:
        eventually(run.presence_file.exists)
        watching = _started(tmp_path, "watch", "run", "--port", "0")
        assert watching.stdout is not None
        address = watching.stdout.readline().split()[-1]
        opened = tab(address)
        page = opened.page
        expect(page.locator(".state")).to_have_text("training")
        expect(page.locator(".chart .line").first).to_be_visible()
        assert "key" not in page.url
        before = _epochs(page)
        page.wait_for_function("before => document.querySelector('progress').value >= before + 2", arg=before)
        expect(page.get_by_role("heading", name=re.compile("never saw"))).to_be_visible()
        assert opened.faults() == []
        page.get_by_role("button", name="Stop and save").click()
        training.communicate(timeout=PATIENCE / 1000)
        assert training.returncode == 75
        expect(page.locator(".state")).to_have_text("stopped, can go on")
        assert run.checkpoint.is_file()
        assert not run.presence_file.exists()
    finally:
        for process in filter(None, (training, watching)):
            process.kill()
            process.communicate()


def _started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "alexnet", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _epochs(page: Page) -> int:
    return int(page.locator("progress").get_attribute("value") or 0)
