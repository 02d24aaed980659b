"""``tutorlib llm-report``: the whole protocol of arXiv 2512.23752 on one language model, written as a page and as JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tutorlib.arguments import integer
from tutorlib.llm import FULL, QUICK, load, protocol
from tutorlib.llm.load import DTYPES
from tutorlib.llm.report import write_report

__all__ = ["add_command"]

EXAMPLES = """\
a model without a network (see the set-up page for what to install):
  tutorlib llm-report smollm2

the paper's models (in Colab, on a GPU runtime; Llama needs HF_TOKEN and its makers' consent):
  tutorlib llm-report EleutherAI/pythia-410m
  tutorlib llm-report microsoft/phi-2
  tutorlib llm-report meta-llama/Llama-3.2-1B
  tutorlib llm-report mistralai/Mistral-7B-v0.1 --dtype float16 --device-map auto
  tutorlib llm-report EleutherAI/pythia-12b --dtype float16 --device-map auto

a folder, several GPUs, a small random model as a control:
  tutorlib llm-report path/to/folder --offline
  tutorlib llm-report EleutherAI/pythia-12b --device-map auto
  tutorlib llm-report random-gpt_neox --quick
"""


def add_command(commands: Any) -> None:
    """Add ``llm-report`` to the sub-commands of a parser.

    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_command(parser.add_subparsers())
    >>> parser.parse_args(["llm-report", "smollm2", "--quick"]).model
    'smollm2'
    """
    sub = commands.add_parser(
        "llm-report",
        help="run the paper's protocol on a language model and write a page",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("model", help="name on the Hugging Face hub, folder, smollm2, or random-FAMILY")
    sub.add_argument(
        "--out", default="runs/llm", help="folder of NAME.md and NAME.json (default: %(default)s)"
    )
    sub.add_argument("--revision", help="branch, tag or commit")
    sub.add_argument("--device", help="cpu, cuda, ... (default: a GPU if there is one)")
    sub.add_argument("--device-map", help="auto: spread the layers over all GPUs (needs accelerate)")
    sub.add_argument(
        "--dtype", default="float32", choices=DTYPES, help="of the weights (default: %(default)s)"
    )
    sub.add_argument("--gguf-file", help="name of the file, for weights in GGUF")
    sub.add_argument("--offline", action="store_true", help="take nothing from the network")
    sub.add_argument("--quick", action="store_true", help="fewer prompts, layers and random axes")
    sub.add_argument("--batch", type=int, default=8, help="prompts read at once (default: %(default)s)")
    sub.add_argument("--seed", type=int, default=0)
    sub.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    integer("--batch", options.batch, 1)
    model = load(
        options.model,
        revision=options.revision,
        dtype=options.dtype,
        device=options.device,
        device_map=options.device_map,
        offline=options.offline,
        gguf_file=options.gguf_file,
    )
    print(f"{model.name}: {model.parameters:,} parameters, {model.dtype} on {model.device}")
    found = protocol(
        model,
        QUICK if options.quick else FULL,
        seed=options.seed,
        batch=options.batch,
        progress=sys.stderr.isatty(),
        say=lambda line: print(f"  {line}", file=sys.stderr),
    )
    for path in write_report(found, Path(options.out)):
        print(f"wrote {path}")
    return 0
