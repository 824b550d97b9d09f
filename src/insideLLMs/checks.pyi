"""The built-in checks, typed: each is the probe of its name."""

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from insideLLMs.probes.agent import AgentProbe
from insideLLMs.probes.attack import AttackProbe, JailbreakProbe, PromptInjectionProbe
from insideLLMs.probes.bias import BiasProbe
from insideLLMs.probes.check import FunctionProbe
from insideLLMs.probes.checks import ChecksProbe
from insideLLMs.probes.citations import CitationsProbe
from insideLLMs.probes.code import CodeDebugProbe, CodeExplanationProbe, CodeGenerationProbe
from insideLLMs.probes.contains import ContainsProbe
from insideLLMs.probes.conversation import ConversationProbe
from insideLLMs.probes.exact import EqualsProbe, NumericProbe, RegexProbe, UsageProbe
from insideLLMs.probes.factuality import FactualityProbe
from insideLLMs.probes.instruction_following import ConstraintComplianceProbe, InstructionFollowingProbe
from insideLLMs.probes.json_checks import JsonPathProbe, JsonSchemaProbe
from insideLLMs.probes.judge import JudgeScoredProbe
from insideLLMs.probes.logic import LogicProbe
from insideLLMs.probes.mcp_contract import McpContractProbe
from insideLLMs.probes.multi_step_task import MultiStepTaskProbe
from insideLLMs.probes.record import RecordProbe
from insideLLMs.probes.similarity import EditSimilarityProbe, EmbeddingSimilarityProbe, F1Probe, RougeProbe

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)

class _Check(Protocol[P, T_co]):
    """Makes a check of the text, or of the part that `of` names; of P and a keyword more there is no type, so Any."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, name: str | None = None, *, of: str, **kwargs: Any) -> T_co: ...  # Any: see above

def _reads(probe: Callable[P, T_co]) -> _Check[P, T_co]: ...

agent = _reads(AgentProbe)
attack = _reads(AttackProbe)
bias = BiasProbe
checks = ChecksProbe
citations = _reads(CitationsProbe)
code_debug = _reads(CodeDebugProbe)
code_explanation = _reads(CodeExplanationProbe)
code_generation = _reads(CodeGenerationProbe)
constraint_compliance = _reads(ConstraintComplianceProbe)
contains = _reads(ContainsProbe)
conversation = _reads(ConversationProbe)
edit_similarity = _reads(EditSimilarityProbe)
embedding_similarity = _reads(EmbeddingSimilarityProbe)
equals = _reads(EqualsProbe)
f1 = _reads(F1Probe)
factuality = _reads(FactualityProbe)
function = _reads(FunctionProbe)
instruction_following = _reads(InstructionFollowingProbe)
jailbreak = _reads(JailbreakProbe)
json_path = _reads(JsonPathProbe)
json_schema = _reads(JsonSchemaProbe)
judge = _reads(JudgeScoredProbe)
logic = _reads(LogicProbe)
mcp_contract = McpContractProbe
multi_step_task = _reads(MultiStepTaskProbe)
numeric = _reads(NumericProbe)
prompt_injection = _reads(PromptInjectionProbe)
record = _reads(RecordProbe)
regex = _reads(RegexProbe)
rouge = _reads(RougeProbe)
usage = _reads(UsageProbe)
