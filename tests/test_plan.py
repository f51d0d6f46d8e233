"""The plan: grids, names, and what may not be overwritten."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylecli.batch.names import fill
from stylecli.batch.plan import Job, plan
from stylecli.batch.sources import Source
from stylecli.errors import UsageError
from stylecli.settings.fields import Settings, option
from stylecli.settings.shared import Outputs


@dataclass(frozen=True)
class Options(Settings):
    alpha: float = option(1.0, "strength", sweep=True)
    weights: str = option("encoder", "network")
    seed: int = option(0, "seed", sweep=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(
    contents: list[str],
    styles: tuple[str, ...] = ("s.png",),
    grid: tuple[Options, ...] = (Options(),),
    root: str | None = None,
    **outputs: object,
) -> list[Job]:
    axes = [
        [{"content": (Source(path, root),)} for path in contents],
        [{"style": (Source(path),)} for path in styles],
    ]
    return plan("fake", axes, grid, Outputs(**outputs))  # type: ignore[arg-type]


def names(*args: object, **options: object) -> list[str]:
    return [job.output for job in make(*args, **options)]  # type: ignore[arg-type]


def test_the_grid_is_every_combination():
    jobs = make(["a.jpg", "b.jpg"], ("s.png", "t.png"), (Options(0.5), Options(1.0)))
    assert [job.index for job in jobs] == list(range(1, 9))
    assert [job.output for job in jobs][:3] == [
        "a_fake_s_alpha0.5.jpg",
        "a_fake_s_alpha1.jpg",
        "a_fake_t_alpha0.5.jpg",
    ]
    assert len({job.output for job in jobs}) == 8


@pytest.mark.parametrize(
    ("content", "output", "kind"),
    [
        ("a.jpg", "a_fake_s.jpg", "jpg"),
        ("a.JPEG", "a_fake_s.jpeg", "jpg"),
        ("a.tif", "a_fake_s.tif", "tiff"),
        ("a.gif", "a_fake_s.png", "png"),
        ("a.v2.webp", "a.v2_fake_s.webp", "webp"),
        ("a", "a_fake_s.png", "png"),
    ],
)
def test_the_default_name_keeps_a_suffix_that_can_be_written(content: str, output: str, kind: str):
    (job,) = make([content])
    assert (job.output, job.format) == (output, kind)


def test_format_overrides_the_suffix():
    assert names(["a.jpg"], format="webp") == ["a_fake_s.webp"]
    assert [(job.output, job.format) for job in make(["a.jpg"], output="x.png", format="webp")] == [("x.png", "webp")]


def test_a_file_for_one_job():
    assert names(["a.jpg"], output="x.png") == ["x.png"]
    assert make(["a.jpg"], output="x")[0].format == "jpg"
    with pytest.raises(UsageError, match=r"x.doc: cannot write .doc"):
        names(["a.jpg"], output="x.doc")


def test_a_folder_for_several_or_when_it_says_so():
    Path("there").mkdir()
    assert names(["a.jpg", "b.jpg"], output="out") == ["out/a_fake_s.jpg", "out/b_fake_s.jpg"]
    assert names(["a.jpg"], output="out/") == ["out/a_fake_s.jpg"]
    assert names(["a.jpg"], output="there") == ["there/a_fake_s.jpg"]


@pytest.mark.parametrize("output", ["x.png", "file"])
def test_one_file_does_not_hold_several_jobs(output: str):
    Path("file").touch()
    with pytest.raises(UsageError, match="one file for 2 jobs"):
        names(["a.jpg", "b.jpg"], output=output)


def test_stdout_takes_one_job():
    (job,) = make(["a.jpg"], output="-")
    assert (job.output, job.format) == ("-", "jpg")
    assert make(["a.jpg"], output="-", format="png")[0].format == "png"
    with pytest.raises(UsageError, match="2 jobs do not fit into one stream"):
        make(["a.jpg", "b.jpg"], output="-")


def test_the_tree_below_an_input_folder_is_kept():
    assert names(["in/sub/a.jpg", "in/b.jpg"], root="in", output="out") == ["out/sub/a_fake_s.jpg", "out/b_fake_s.jpg"]


def test_equal_stems_never_share_a_file():
    assert names(["x/a.jpg", "y/a.jpg", "z/A.jpg"]) == ["a_fake_s.jpg", "a_fake_s_2.jpg", "A_fake_s_3.jpg"]
    assert names(["x/a.jpg"], ("1/s.png", "2/s.png")) == ["a_fake_s.jpg", "a_fake_s_2.jpg"]


def test_equal_names_from_a_template_are_an_error():
    with pytest.raises(UsageError, match="two jobs would write it"):
        names(["a.jpg", "b.jpg"], name="{style}.png")


def test_templates():
    assert names(["a.jpg"], name="{style}/{stem}_{alpha:.2f}_{index:03}_{seed}_{method}.{ext}") == [
        "s/a_1.00_001_0_fake.jpg"
    ]
    assert names(["a.jpg"], name="{content}-{style}", output="out") == ["out/a-s.jpg"]
    assert names(["a.jpg"], name="{stem}.webp") == ["a.webp"]
    assert make(["a.jpg"], name="{stem}.webp")[0].format == "webp"
    assert names(["a.jpg"], grid=(Options(weights="../w/v:1.pth"),), name="{weights}_{{x}}") == ["..-w-v-1.pth_{x}.jpg"]


def test_an_unknown_field_names_the_nearest():
    with pytest.raises(UsageError, match=r"--name: no field \{alhpa\}") as caught:
        names(["a.jpg"], name="{alhpa}")
    assert caught.value.hint == "did you mean alpha?"


@pytest.mark.parametrize(
    "name", ["{", "{}", "{stem!r}", "{alpha:d}", "{stem:99999}", "a/", "..", "{stem.x}", "{alpha[0]}"]
)
def test_bad_templates(name: str):
    with pytest.raises(UsageError):
        names(["a.jpg"], name=name)


@given(st.text(alphabet=st.sampled_from("{}:!.[]0359stemalph/xdf\\ "), max_size=20) | st.text(max_size=20))
def test_templates_give_a_name_or_a_usage_error(template: str):
    try:
        name = fill(
            template, method="m", ext="png", index=1, inputs={"content": (Source("a.jpg"),)}, settings=Options()
        )
    except UsageError:
        return
    assert name.strip("./\\ ")
    assert not name.endswith("/")


def test_a_long_style_list_is_cut():
    axes = [[{"content": (Source("a.jpg"),)}], [{"style": tuple(Source(f"style{i}.jpg") for i in range(90))}]]
    (job,) = plan("fake", axes, (Options(),), Outputs())
    assert len(job.output) < 120


def test_never_over_an_input():
    Path("a.jpg").touch()
    Path("link.jpg").symlink_to("a.jpg")
    os.link("a.jpg", "hard.jpg")
    for output in ("a.jpg", "./a.jpg", "link.jpg", "hard.jpg"):
        with pytest.raises(UsageError, match=r"would overwrite the input a\.jpg"):
            names(["a.jpg"], output=output, overwrite=True)
    with pytest.raises(UsageError, match=r"would overwrite the input s.png"):
        names(["a.jpg"], output="s.png")


def test_existing_files_are_one_error_before_anything_runs():
    Path("a_fake_s.jpg").touch()
    Path("b_fake_s.jpg").touch()
    with pytest.raises(UsageError, match=r"a_fake_s.jpg and 1 more: already there"):
        names(["a.jpg", "b.jpg"])
    assert len(names(["a.jpg", "b.jpg"], overwrite=True)) == 2
    assert len(names(["a.jpg", "b.jpg"], skip_existing=True)) == 2


def test_sixteen_bits_need_a_format_that_has_them():
    assert len(names(["a.png"], bits="16")) == 1
    with pytest.raises(UsageError, match="does not hold 16 bits"):
        names(["a.jpg"], bits="16")
