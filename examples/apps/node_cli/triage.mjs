// Sorts a mail to a support desk: {"mail": "..."} on stdin, {"route", "reply", "words"} on stdout. No dependencies.
// With --brief it leaves the greeting out. The rules are in rules.json; nothing in here knows that it is tested.

import { readFileSync } from "node:fs";

const rules = JSON.parse(readFileSync(new URL("rules.json", import.meta.url), "utf8"));
const { mail } = JSON.parse(readFileSync(0, "utf8"));
const said = mail.toLowerCase();
const found = rules.find((rule) => rule.words.some((word) => said.includes(word)));
if (!mail.trim()) {
  console.error("the mail is empty");
  process.exit(2);
}
const { route, reply } = found ?? { route: "person", reply: "A colleague will read your mail." };
const greeting = process.argv.includes("--brief") ? "" : "Thank you for your mail. ";
console.log(JSON.stringify({ route, reply: greeting + reply, words: mail.split(/\s+/).length }));
