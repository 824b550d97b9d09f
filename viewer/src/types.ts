// What the Python side puts into a page; see src/insideLLMs/report/viewer/.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Interval {
  value: number;
  low: number | null;
  high: number | null;
  n: number;
}
export interface Usage {
  input_tokens?: number;
  output_tokens?: number;
  reasoning_tokens?: number;
  cached_tokens?: number;
  cache_write_tokens?: number;
  cost_usd?: number;
}
export interface ToolCall {
  name: string;
  arguments?: Json;
  id?: string;
}
export interface ContentPart {
  type: "text" | "image";
  text?: string;
  url?: string;
}
export interface Message {
  role: string;
  content?: string | ContentPart[];
  tool_calls?: ToolCall[];
  tool_call_id?: string;
}
export interface RequestSent {
  messages: Message[];
  options?: { [name: string]: Json };
}
export interface Answer {
  text?: string;
  finish_reason?: string;
  usage?: Usage;
  model?: string;
  fingerprint?: string;
  reasoning?: string;
  tool_calls?: ToolCall[];
  value?: Json;
  trajectory?: Message[];
  kept?: { [name: string]: Json };
}
export interface Scores {
  values: { [name: string]: number };
  passed: boolean | null;
  label: string | null;
  explanation: string;
  details: { [name: string]: Json };
}
export interface Failure {
  stage: string;
  type: string;
  message: string;
}

export interface Agreement {
  n: number;
  accuracy: Interval;
  kappa: Interval | null;
  sensitivity: Interval | null;
  specificity: Interval | null;
  corrected_pass_rate: number | null;
}
export interface MemberSummary {
  model: string;
  prompt?: string;
  probe: string;
  trials: number;
  examples: number;
  statuses: Record<string, number>;
  scored: number;
  passed: number;
  pass_rate: Interval | null;
  scores: Record<string, Interval>;
  usage: Usage;
  agreement?: Agreement;
}
export interface Summary {
  run_id: string;
  trials: number;
  statuses: Record<string, number>;
  confidence_level: number;
  results: MemberSummary[];
}
export interface Member {
  id: string;
  type?: string;
  system?: string | null;
  identity?: Json;
}
export interface Prompt {
  id: string;
  system?: string | null;
  messages?: Message[];
}
export interface Manifest {
  run_id: string;
  name?: string;
  models: Member[];
  prompts?: Prompt[];
  probes?: Member[];
  repeats?: number;
  datasets?: { name: string; sha256?: string; total?: number; selected?: number; skipped?: number }[];
  library?: Record<string, string>;
}
export interface ModelPair {
  baseline: string | null;
  candidate: string | null;
}
export interface SideCounts {
  trials: number;
  statuses: Record<string, number>;
  scored: number;
  passed: number;
}
export interface Tally {
  trials: number;
  classes: Record<string, number>;
  levels: Record<string, number>;
  baseline: SideCounts;
  candidate: SideCounts;
  paired: { trials: number; baseline_passed: number; candidate_passed: number };
}
export interface RunSide {
  run_id: string;
  label: string;
  models: string[];
  trials: number;
}
export interface TrialName {
  probe: string;
  dataset: string;
  example_id: string;
  models: ModelPair;
  repeat: number;
}
export interface Comparison {
  baseline: RunSide;
  candidate: RunSide;
  models: ModelPair[];
  overall: Tally;
  probes: { probe: string; models: ModelPair; tally: Tally }[];
  served: { field: string; baseline: string | null; candidate: string | null; trials: number }[];
  usage: {
    trials: number;
    baseline_input_tokens: number;
    candidate_input_tokens: number;
    baseline_output_tokens: number;
    candidate_output_tokens: number;
  };
  changed: string[];
  warnings: string[];
  pool: { run_id: string; label: string }[];
}
export interface Verdict {
  state: "passed" | "failed" | "inconclusive";
  policy: string;
  resolved: string;
  exit_code: number;
  reasons: string[];
  look_first: TrialName[];
  assessment: Assessment | null;
  remarks: string[];
}
export interface Evidence {
  probe: string | null;
  message: string;
  level: number;
  n_paired: number;
  n_worse: number;
  n_better: number;
  delta: number | null;
  low: number | null;
  high: number | null;
  p_worse: number;
  p_two: number;
  p_used?: number;
  p_holm: number | null;
  detectable: number | null;
}
export interface Assessment {
  verdict: string;
  reasons: string[];
  p_gate: number;
  alpha: number;
  overall: Evidence;
  probes: Evidence[];
  notes: { code: string; text: string; probe: string | null }[];
}

interface Shared {
  title: string;
  rows: number;
  index_starts: number[];
  body_starts: number[];
  dictionaries: Record<string, Json[]>;
}
export interface RunHead extends Shared {
  kind: "run";
  manifest: Manifest;
  doubts?: string[];
  verdict?: { state: "passed" | "failed" | "inconclusive"; told: string; reasons: string[] };
  summary: Summary;
  score_names: string[];
  price_source?: string | null; // where the page was made with telemetry
}
export interface DiffHead extends Shared {
  kind: "diff";
  comparison: Comparison;
  verdict: Verdict;
  score_names: string[];
}
export type Head = RunHead | DiffHead;
