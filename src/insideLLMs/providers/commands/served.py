"""A model whose server is started for the run: vLLM, llama.cpp, SGLang, or any that speaks chat completions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Unpack

from insideLLMs.core.arguments import check_numbers, refuse, text_list
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue, Request, Response
from insideLLMs.providers.apis.openai import OpenAIArgs, OpenAIModel
from insideLLMs.providers.chat_model import spelt_out
from insideLLMs.providers.codec import Endpoint
from insideLLMs.providers.commands.environment import CommandEnv
from insideLLMs.providers.commands.own_server import PORT, OwnServer
from insideLLMs.providers.commands.program_files import ProgramFiles
from insideLLMs.providers.provider_model import ProviderModel


class _Client(OpenAIModel):
    """Asks the server; a key is sent where `api_key_env` names one."""

    endpoint: ClassVar[Endpoint] = Endpoint(provider="served", base_url="http://127.0.0.1/v1", is_own_server=True)


class ServedModel(ProviderModel):
    """A model behind a server that each process which asks it starts for itself, and ends.

    `command` lists the program and its arguments, with ``{{ port }}`` where it takes its port; it gets a few variables
    that programs need, and those of `env`. It is asked once it answers at the path `ready` with 200, for which it has
    `start_timeout_s`. The other arguments are those of type openai. The command, and the bytes of files among its
    arguments, are part of the model's identity: name a revision of the weights there.
    """

    provider = "served"

    @spelt_out()
    def __init__(
        self,
        model_name: str,
        *,
        command: Sequence[str],
        env: Sequence[str] | Mapping[str, str] | None = None,
        ready: str = "/health",
        start_timeout_s: float = 600.0,
        experiment_folder: Path = Path(),
        **args: Unpack[OpenAIArgs],
    ) -> None:
        words = text_list(command)
        if not words or isinstance(command, str):
            raise refuse("", "command", command, "a list: the program, and each of its arguments")
        check_numbers({"start_timeout_s": start_timeout_s}, {"start_timeout_s": (1.0, 86400.0)})
        if not isinstance(ready, str) or not ready.startswith("/"):
            raise refuse("", "ready", ready, "a path of the server, such as /health")
        if args.get("base_url") is not None:
            raise ArgumentError("base_url is that of the server that is started", fix="leave base_url out")
        self._env = CommandEnv(env)
        if not any(PORT.search(text) for text in (*words, *self._env.written.values())):
            raise refuse("", "command", command, "one with {{ port }} where the server takes its port")
        super().__init__(model_name, model_name)
        self._args = args
        self._client = _Client(model_name, **args)
        folder = experiment_folder.absolute()
        self._files = ProgramFiles(
            program=words[0],
            constants=tuple((word, word) for word in words),
            files=(),
            folder=folder,
            beside=folder,
            search_path=self._env.values({}).get("PATH", ""),
        )
        self._told: dict[str, JsonValue] = {"command": list(words)}
        self._server = OwnServer(
            words, env=self._env, files=self._files, path=ready, start_timeout_s=float(start_timeout_s)
        )
        self._port = 0

    def identity(self) -> Mapping[str, JsonValue]:
        """Return the model with its parameters, and the command with its variables and files; no port."""
        of_client = {name: value for name, value in self._client.identity().items() if name != "base_url"}
        told = {"env": self._env.identity(), "files": dict(sorted(self._files.digests({})))}
        return {**of_client, **self._told, **{name: value for name, value in told.items() if value}}

    def private_settings(self) -> tuple[str, ...]:
        """Return what tells this model from others and may not be written: values from the environment."""
        return (*self._env.private_settings(), *self._client.private_settings())

    def check(self) -> None:
        """Raise AuthError for a variable that is missing. The program need be only where the model is asked."""
        self._env.check()
        self._client.check()

    async def make_ready(self) -> None:
        """Wait for the server, and start it first where it does not run. Raises ModelUnavailableError."""
        port = await self._server.port()
        if port != self._port:
            client, self._port = self._client, port
            self._args["base_url"] = f"http://127.0.0.1:{port}/v1"
            self._client = _Client(self.model_id, **self._args)
            await client.aclose()

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        """Make one call. Raises ModelError."""
        await self.make_ready()
        return await self._client.respond(request, repeat=repeat)

    async def aclose(self) -> None:
        """End the server; a later call starts it again."""
        await self._client.aclose()
        await self._server.close()

    _release = aclose
