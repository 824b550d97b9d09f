// What is under test: a model, with a prompt where the run has prompts. Rows name it by its label.

import { h } from "./dom";
import * as parts from "./parts";
import { line } from "./text";
import type { Manifest, MemberSummary, Message, Prompt } from "./types";

export interface Tested {
  model: string;
  prompt: string | null;
}

// As core/subject.py writes it.
export const labelOf = ({ model, prompt }: Tested): string => (prompt === null ? model : `${model} · ${prompt}`);

export const testedBy = (member: MemberSummary): Tested => ({ model: member.model, prompt: member.prompt ?? null });

export function testedIn(manifest: Manifest): Tested[] {
  const prompts: (string | null)[] = manifest.prompts?.length ? manifest.prompts.map((prompt) => prompt.id) : [null];
  return manifest.models.flatMap((model) => prompts.map((prompt) => ({ model: model.id, prompt })));
}

export const nounOf = (manifest: Manifest): string => (manifest.prompts?.length ? "Model · prompt" : "Model");

function turns(prompt: Prompt): Message[] {
  const system = prompt.system ? [{ role: "system", content: prompt.system }] : [];
  return [...system, ...(prompt.messages ?? [])];
}

export function promptsPart(manifest: Manifest): HTMLElement | null {
  if (!manifest.prompts?.length) return null;
  return h(
    "details",
    {},
    h("summary", {}, "Texts of the prompts"),
    ...manifest.prompts.flatMap((prompt) => [h("h3", {}, line(prompt.id)), parts.chat(turns(prompt))]),
  );
}
