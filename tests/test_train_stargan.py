"""`train stargan`: it resumes, starts from weights, uses masks, and says what is wrong with folders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Result

from stylecli import api
from stylecli.checkpoints.load import build, describe, prove
from stylecli.checkpoints.save import save_network
from stylecli.device import resolve
from stylecli.errors import InputError, UsageError, WeightsError
from stylecli.nets.fan import FAN
from stylecli.nets.stargan import StarGAN, StarGANDiscriminator
from stylecli.nets.stargan_generator import StarGANConfig
from stylecli.progress import silent
from stylecli.settings.train_stargan import TrainStarganSettings
from stylecli.training import stargan
from stylecli.training.domains import DomainPictures, domain_classifier

SMALL = {"size": "16", "channels": 4, "most_channels": 8, "hidden": 8, "style_dim": 4, "latent_dim": 2, "batch": 2}


@pytest.fixture
def pictures(picture: Callable[..., Path], tmp_path: Path) -> str:
    for index in range(6):
        picture(f"pictures/{'ab'[index % 2]}/{index}.png", size=(20, 24), seed=index)
    return str(tmp_path / "pictures")


def options(pictures: str, output: Path, **more: Any) -> TrainStarganSettings:
    return TrainStarganSettings(content=(pictures,), output=str(output), **{**SMALL, "steps": 4, "every": 2, **more})


def run(settings: TrainStarganSettings) -> Path:
    return stargan.run(settings, resolve("cpu"), silent)


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_resumed_training_is_the_whole_one(pictures: str, tmp_path: Path):
    whole = run(options(pictures, tmp_path / "whole", r1_every=2))
    # The way to no weight of diversity is that of the whole training too.
    run(options(pictures, tmp_path / "halves", r1_every=2, steps=2, diversity_steps=4))
    halves = run(options(pictures, tmp_path / "halves", r1_every=2, diversity_steps=4))
    rows = log(tmp_path / "whole")
    assert rows == log(tmp_path / "halves")
    assert [bool(row.keys() & {"d_latent_reg", "d_reference_reg"}) for row in rows] == [False, True, False, True]
    assert abs(rows[3]["g_latent_ds"]) < abs(rows[0]["g_latent_ds"]) / 2
    for first, second in zip(build(whole)[2].parameters(), build(halves)[2].parameters(), strict=True):
        assert torch.equal(first, second)
    assert (tmp_path / "whole" / "sample_000004.jpg").is_file()


def test_by_command(pictures: str, tmp_path: Path, cli: Callable[..., Result]):
    words = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    more = ["--steps=2", "--augment=differentiable", "--output=run", "--precision=bfloat16"]
    done = cli("train", "stargan", "pictures", *words, *more)
    assert done.exit_code == 0, done.stderr
    path = Path(done.stdout.strip())
    said = describe(path)
    assert (said.network, said.config["labels"], said.config["size"]) == ("stargan", ("a", "b"), 16)
    assert said.about["pictures"] == 6
    assert prove(path) is not None
    assert cli("stargan", "domains", "--weights", path).stdout.split() == ["a", "b"]
    made = cli("stargan", "ref", "pictures/a/0.png", "--reference", "pictures/b/1.png", "--weights", path)
    assert made.exit_code == 0, made.stderr


def test_a_start_from_weights(pictures: str, tmp_path: Path):
    first = run(options(pictures, tmp_path / "first", steps=2))
    task = stargan.StarganTask(options(pictures, tmp_path / "second", start=str(first), channels=6), resolve("cpu"))
    wanted = build(first)[2].state_dict()
    found = task.model.net.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    assert all(parameter.requires_grad for parameter in task.model.parameters())


def test_it_learns_to_paint_before_the_discriminator_looks(pictures: str, tmp_path: Path):
    run(options(pictures, tmp_path / "run", painting_weight=2.0, content_weight=1.0, painting_steps=2, r1_every=2))
    rows = log(tmp_path / "run")
    painted = {"g_reference_style", "g_reference_content", "g_reference_range"}
    assert all(painted <= row.keys() for row in rows)
    assert ["d_reference_real" in row for row in rows] == [False, False, True, True]
    assert ["g_latent_adv" in row for row in rows] == [False, False, True, True]
    with pytest.raises(UsageError, match="nothing to learn from"):
        options(pictures, tmp_path / "run", painting_steps=2)


def test_painting_makes_results_like_their_references(pictures: str, tmp_path: Path):
    more = {"painting_weight": 5.0, "painting_steps": 80, "steps": 80, "every": 80, "learning_rate": 1e-3}
    more |= {"domain_weight": 1.0, "colors": True}
    rows = (run(options(pictures, tmp_path / "run", **more)), log(tmp_path / "run"))[1]
    for name, share in (("g_reference_style", 0.8), ("mapping", 0.8), ("g_reference_domain", 1.0)):
        first, last = (sum(row[name] for row in some) for some in (rows[:20], rows[-20:]))
        assert last < share * first, name


def test_what_tells_domains_learns_them():
    random = torch.Generator().manual_seed(0)
    domains = torch.arange(300) % 3
    moments = 0.01 * torch.randn(300, 8, generator=random) + 0.02 * torch.randn(3, 8, generator=random)[domains] + 5
    told = domain_classifier(moments[:150], domains[:150], 3)
    assert (told(moments[150:]).argmax(1) == domains[150:]).float().mean() > 0.9
    assert not told.weight.requires_grad


def test_masks(pictures: str, tmp_path: Path):
    torch.manual_seed(0)
    fan = tmp_path / "wing.safetensors"
    save_network(FAN(), fan, network="fan", config={}, about={}, half=False)
    path = run(options(pictures, tmp_path / "run", hpf=1.0, fan=str(fan), steps=1, size="32", batch=1))
    net = build(path)[2]
    assert isinstance(net, StarGAN)
    assert net.config.hpf == 1
    assert net.fan is not None
    snapshot = torch.load(tmp_path / "run" / "snapshot.pt", weights_only=True)
    assert not any("fan" in name for name in snapshot["model"])


def test_domains_are_drawn_evenly(picture: Callable[..., Path], tmp_path: Path):
    for index in range(9):
        picture(f"d/{'few' if index < 2 else 'many'}/{index}.png", size=(20, 16), seed=index)
    data = DomainPictures((str(tmp_path / "d"),), 16)
    assert data.names == ("few", "many")
    random = torch.Generator().manual_seed(0)
    drawn = data.domains(1000, random)
    assert 450 < int(drawn.sum()) < 550
    batch = data.draw(drawn[:8], random)
    assert batch.shape == (8, 3, 16, 16)
    assert -1 <= float(batch.min()) < float(batch.max()) <= 1


def test_a_folder_may_be_a_domain_itself(picture: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for index in range(4):
        picture(f"{'cubism' if index < 2 else 'photos'}/{index}.png", size=(20, 16), seed=index)
    monkeypatch.chdir(tmp_path)
    assert DomainPictures(("photos", "cubism"), 16).names == ("cubism", "photos")


def test_what_is_wrong_with_folders_is_said(picture: Callable[..., Path], tmp_path: Path, pictures: str):
    picture("one/a/1.png"), picture("one/a/2.png")
    with pytest.raises(InputError, match="one domain, a"):
        DomainPictures((str(tmp_path / "one"),), 16)
    picture("one/b/1.png")
    with pytest.raises(InputError, match="b: a domain of one picture"):
        DomainPictures((str(tmp_path / "one"),), 16)
    net = StarGAN(StarGANConfig(16, 3, 4, 8, 4, 2, 8))
    path = tmp_path / "three.safetensors"
    save_network(net, path, network="stargan", config=vars(net.config), about={}, half=False)
    with pytest.raises(WeightsError, match="of 3 domains, 2 folders are given"):
        run(options(pictures, tmp_path / "run", start=str(path)))


def test_a_discriminator_has_a_logit_for_each_domain():
    net = StarGANDiscriminator(StarGANConfig(16, 2, 4, 8))
    pictures = torch.randn(4, 3, 16, 16)
    first, second = (net(pictures, torch.full((4,), domain)) for domain in (0, 1))
    assert first.shape == (4,)
    assert not torch.allclose(first, second)
    assert torch.allclose(net(pictures, torch.tensor([0, 1, 0, 1]))[1::2], second[1::2])


def test_api_opens_what_was_trained(pictures: str, tmp_path: Path):
    path = run(options(pictures, tmp_path / "run", steps=1))
    content, reference = torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    assert api.stargan("ref", content, reference, weights=str(path)).shape == (3, 20, 30)
