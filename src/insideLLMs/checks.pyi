"""The built-in checks, typed: each is the probe of its name."""

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

agent = AgentProbe
attack = AttackProbe
bias = BiasProbe
checks = ChecksProbe
citations = CitationsProbe
code_debug = CodeDebugProbe
code_explanation = CodeExplanationProbe
code_generation = CodeGenerationProbe
constraint_compliance = ConstraintComplianceProbe
contains = ContainsProbe
conversation = ConversationProbe
edit_similarity = EditSimilarityProbe
embedding_similarity = EmbeddingSimilarityProbe
equals = EqualsProbe
f1 = F1Probe
factuality = FactualityProbe
function = FunctionProbe
instruction_following = InstructionFollowingProbe
jailbreak = JailbreakProbe
json_path = JsonPathProbe
json_schema = JsonSchemaProbe
judge = JudgeScoredProbe
logic = LogicProbe
mcp_contract = McpContractProbe
multi_step_task = MultiStepTaskProbe
numeric = NumericProbe
prompt_injection = PromptInjectionProbe
record = RecordProbe
regex = RegexProbe
rouge = RougeProbe
usage = UsageProbe
