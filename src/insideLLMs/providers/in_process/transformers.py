"""A Hugging Face model run in this process by transformers: from a folder, or from the hub at a pinned commit."""

import contextlib
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from insideLLMs.core.arguments import check_numbers, stop_texts
from insideLLMs.core.errors import ArgumentError, ModelUnavailableError, RequestRefusedError, ServerError
from insideLLMs.core.types import JsonValue, Response, TokenLogprob, Usage
from insideLLMs.core.user_code import UserCodeError, calling_user_code
from insideLLMs.providers.in_process.model import InProcessModel, file_sha256, require_packages
from insideLLMs.providers.in_process.native_threads import Stop

RANGES = {"temperature": (0.0, 10.0), "top_p": (0.0, 1.0), "max_tokens": (1, 10**6), "seed": (0, 2**31)}
PACKAGES = ("torch", "transformers")
DTYPES = ("auto", "float32", "float16", "bfloat16")
FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "additional_chat_templates/*.jinja")
"""What a model is made of. Weights in other formats can run code when they are loaded, and are not read."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


class TransformersModel(InProcessModel):
    """A Hugging Face model in this process: from the folder `path`, or `model_name` on the hub at `revision`.

    `revision` is a commit's 40 hex digits, as names of branches move. Chats go through the tokenizer's own chat
    template; none of the model's code is run. One request is answered at a time. The digest of the model's files
    and the versions of the libraries belong to its identity; `device` (cpu, cuda, mps) does not, though devices
    round differently. With a temperature above 0, each request draws with a seed of its own, made of `seed`, the
    repeat and the messages. `logprobs` keeps each token's log probability before temperature and top_p.
    """

    provider = "transformers"

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        model_name: str,
        *,
        path: str | Path | None = None,
        revision: str | None = None,
        temperature: float = 0.0,
        top_p: float | None = None,
        max_tokens: int = 64,
        seed: int = 0,
        stop: str | Sequence[str] | None = None,
        logprobs: bool | None = None,
        dtype: str = "auto",
        device: str = "cpu",
        thought_tags: Sequence[Sequence[str]] | None = None,
        experiment_folder: Path = Path(),
    ) -> None:
        parameters: dict[str, JsonValue] = {
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_tokens,
            "seed": seed,
            "stop": stop_texts(stop),
            "logprobs": logprobs or None,
        }
        check_numbers(parameters, RANGES)
        if dtype not in DTYPES:
            raise ArgumentError(f"dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
        if path is None and not _COMMIT.fullmatch(str(revision)):
            raise ArgumentError(
                f"{model_name!r} comes from the hub, but revision is {revision!r}",
                fix="give `revision:` as the 40 hex digits of a commit, or `path:` to a folder",
            )
        super().__init__(
            model_name,
            {**parameters, "dtype": dtype},
            origin={"path": path, "revision": revision if not path else None},
            thought_tags=thought_tags,
        )
        self._path = experiment_folder / Path(path).expanduser() if path is not None else None
        self._revision = revision
        self._dtype, self._device = dtype, device

    def check(self) -> None:
        """Raise ModelUnavailableError if the extra, the folder, the weights or the chat template are missing."""
        require_packages("transformers", *PACKAGES)
        read_tokenizer(self._folder())

    def _look(self) -> Mapping[str, JsonValue]:
        require_packages("transformers", *PACKAGES)
        folder = self._folder()
        files = sorted({file for pattern in FILES for file in folder.glob(pattern) if file.is_file()})
        listing = "".join(f"{file.relative_to(folder).as_posix()}\0{file_sha256(file)}\n" for file in files)
        # what follows a plus says for which device torch was built
        versions = {name: metadata.version(name).partition("+")[0] for name in PACKAGES}
        return {"files_sha256": hashlib.sha256(listing.encode()).hexdigest(), "runtime": versions}

    def _folder(self) -> Path:
        folder = self._path or fetch(self.model_id, str(self._revision))
        if not any(folder.glob("*.safetensors")):
            known = "it has no .safetensors files" if folder.is_dir() else "there is no such folder"
            raise ModelUnavailableError(
                f"there is no model in {folder}: {known}",
                fix="correct `path:`; weights in other formats are not read, convert them with save_pretrained()",
            )
        return folder

    def _load(self) -> "Loaded":
        return load(self._folder(), self._dtype, self._device)

    def _complete(self, messages: list[dict[str, JsonValue]], options: dict[str, JsonValue], stop: Stop) -> Response:
        decoding = read_decoding(options)
        loaded = self._load_once()
        prompt = loaded.encode(messages, decoding.max_tokens)
        written = generate(loaded, prompt, decoding, stop)
        text, reason = loaded.read(written, decoding)
        return Response(
            text=text,
            finish_reason=reason,
            usage=Usage(input_tokens=prompt["input_ids"].shape[1], output_tokens=len(written.tokens)),
            model=self.model_id,
            logprobs=tuple(
                TokenLogprob(token=loaded.tokenizer.decode([token]), logprob=logprob)
                for token, logprob in zip(written.tokens, written.logprobs, strict=True)
            )
            if decoding.logprobs
            else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How one request is to be answered."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    stop: tuple[str, ...]
    logprobs: bool


def read_decoding(options: Mapping[str, JsonValue]) -> Decoding:
    """Read a request's options over the model's parameters. Raises RequestRefusedError for what does not exist."""
    unknown = options.keys() - {*Decoding.__slots__, "dtype"}
    if unknown:
        raise RequestRefusedError(f"transformers takes no {', '.join(sorted(unknown))}", fix="remove the option")
    try:
        check_numbers(options, RANGES)
        stop = stop_texts(options.get("stop"))
    except ArgumentError as error:
        raise RequestRefusedError(error.message, fix=error.fix) from error
    top_p = options.get("top_p")
    return Decoding(
        temperature=options.get("temperature") or 0.0,
        top_p=1.0 if top_p is None else top_p,
        max_tokens=options.get("max_tokens") or 64,
        seed=options.get("seed") or 0,
        stop=tuple(stop or ()),
        logprobs=bool(options.get("logprobs")),
    )


@dataclass(slots=True)
class Written:
    """The tokens of an answer as they are drawn, with their log probabilities."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A tokenizer and a model in memory; `ends` are the tokens after which an answer is over."""

    tokenizer: Any
    model: Any
    ends: frozenset[int]
    context: int | None

    def encode(self, messages: list[dict[str, JsonValue]], max_tokens: int) -> Any:
        """Write a chat as tokens. Raises RequestRefusedError if the template or the context does not take it."""
        from jinja2 import TemplateError  # noqa: PLC0415 - imported when it is used

        try:
            prompt = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
            )
        except TemplateError as error:
            raise RequestRefusedError(f"the chat template refuses the messages: {error}") from error
        length = prompt["input_ids"].shape[1]
        if self.context is not None and length + max_tokens > self.context:
            raise RequestRefusedError(
                f"the prompt has {length} tokens, and with max_tokens {max_tokens} exceeds the context of "
                f"{self.context} tokens",
                fix="shorten the prompt, or lower max_tokens",
            )
        return prompt.to(self.model.device)

    def text(self, tokens: Sequence[int]) -> str:
        """Write tokens as text."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def read(self, written: Written, decoding: Decoding) -> tuple[str, str]:
        """Return the text up to a stop text, and why it ends."""
        text = self.text(written.tokens)
        cut = min((place for stop in decoding.stop if (place := text.find(stop)) >= 0), default=None)
        if cut is not None:
            return text[:cut], "stop"
        return text, "stop" if written.tokens and written.tokens[-1] in self.ends else "length"


def generate(loaded: Loaded, prompt: Any, decoding: Decoding, stop: Stop) -> Written:
    """Draw the tokens of an answer. Raises ServerError if the library fails, as it does when memory runs out.

    Each token is drawn here, with a generator of this request's own: the library's draws come from one that all
    threads of the process share.
    """
    import torch  # noqa: PLC0415 - an optional extra

    written = Written()
    draws = torch.Generator().manual_seed(decoding.seed)

    def draw(_: Any, scores: Any) -> Any:
        logs = torch.log_softmax(scores[0].double().cpu(), dim=-1)
        token = pick(logs, decoding, draws)
        written.tokens.append(token)
        written.logprobs.append(float(logs[token]))
        only = torch.full_like(scores, -float("inf"))
        only[0, token] = 0.0
        return only

    def is_over(tokens: Any, _: Any) -> Any:
        over = stop.is_set()
        if decoding.stop and not over:
            text = loaded.text(written.tokens)
            over = any(each in text for each in decoding.stop)
        return torch.full((tokens.shape[0],), over, dtype=torch.bool, device=tokens.device)

    try:
        with torch.inference_mode():
            loaded.model.generate(
                **prompt, max_new_tokens=decoding.max_tokens, logits_processor=[draw], stopping_criteria=[is_over]
            )
    except RuntimeError as error:
        raise ServerError(f"the model failed: {error}") from error
    return written


def pick(logs: Any, decoding: Decoding, draws: Any) -> int:
    """Draw a token by its log probability; at a temperature of 0, the likeliest."""
    import torch  # noqa: PLC0415 - an optional extra

    if decoding.temperature == 0:
        return int(torch.argmax(logs))
    chances, order = torch.sort(torch.softmax(logs / decoding.temperature, dim=-1), descending=True, stable=True)
    before = torch.cumsum(chances, dim=-1) - chances
    chances[1:][before[1:] >= decoding.top_p] = 0.0
    return int(order[torch.multinomial(chances, 1, generator=draws)])


def load(folder: Path, dtype: str, device: str) -> Loaded:
    """Load a model, without a word on stderr. Raises ModelUnavailableError."""
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - an optional extra
    from transformers.utils import logging  # noqa: PLC0415 - likewise

    tokenizer = read_tokenizer(folder)
    had_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with _loading(folder):
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False
            )
            model = model.to(device).eval()
    finally:
        if had_bar:
            logging.enable_progress_bar()
    config = model.generation_config
    # drawing is ours; the library would warn of settings that it is not to use
    config.do_sample, config.num_beams = False, 1
    config.temperature = config.top_p = config.top_k = config.min_p = config.typical_p = config.max_length = None
    ends = frozenset(read_ends(config.eos_token_id))
    if config.pad_token_id is None:
        config.pad_token_id = min(ends, default=0)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return Loaded(tokenizer=tokenizer, model=model, ends=ends, context=context)


def read_ends(given: object) -> list[int]:
    """Return the tokens after which an answer is over; models name none, one or several."""
    return given if isinstance(given, list) else [given] if isinstance(given, int) else []


def read_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a folder. Raises ModelUnavailableError, also if it has no chat template."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - an optional extra

    with _loading(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not tokenizer.chat_template:
        raise ModelUnavailableError(
            f"the tokenizer in {folder} has no chat template, so chats cannot be rendered",
            fix="use a model that was trained on chats, or put the right chat_template.jinja into the folder",
        )
    return tokenizer


def fetch(model_name: str, revision: str) -> Path:
    """Return the folder of a hub model at a commit, fetching what is not cached. Raises ModelUnavailableError."""
    require_packages("transformers", *PACKAGES)
    from huggingface_hub import errors, snapshot_download  # noqa: PLC0415 - imported when it is used

    get = functools.partial(snapshot_download, model_name, revision=revision, allow_patterns=list(FILES))
    with _loading(f"{model_name} at {revision}"):
        try:
            return Path(get(local_files_only=True))
        except errors.LocalEntryNotFoundError:
            return Path(get())


@contextlib.contextmanager
def _loading(what: Path | str) -> Iterator[None]:
    """Turn whatever the libraries raise while they load into ModelUnavailableError."""
    try:
        with calling_user_code(str(what)):
            yield
    except UserCodeError as error:
        reason = " ".join(str(error.cause).split())[:300] or error.type_name
        raise ModelUnavailableError(
            f"{what} cannot be loaded: {reason}",
            fix="check that it is a whole causal language model in a format that transformers reads, "
            "that there is enough memory, and, for a model of the hub, the network and the commit",
        ) from error
