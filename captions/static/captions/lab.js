// The lab: a vote is sent as soon as it is chosen; A, B, C and 0 vote on the picture in turn and go on to the next.
(() => {
"use strict";
const form = document.getElementById("votes");
if (!form) return;
const rows = () => [...form.querySelectorAll(".try")].filter((row) => !row.querySelector("fieldset").disabled);
const isVoted = (row) => row.querySelector("input:checked") !== null;
const inTurn = () => document.activeElement?.closest?.(".try") ?? rows().find((row) => !isVoted(row));

form.addEventListener("change", (event) => {
  if (!event.target.matches("input[type=radio]")) return;
  htmx.ajax("POST", form.action, {
    source: form, swap: "none", values: { [event.target.name]: event.target.value },
  });
});

document.addEventListener("keydown", (event) => {
  const letter = event.key === "0" ? "none" : event.key.toUpperCase();
  if (!["A", "B", "C", "none"].includes(letter)) return;
  if (event.ctrlKey || event.metaKey || event.altKey || document.documentElement.dataset.keys === "off") return;
  if (event.target.matches("textarea, select, input:not([type=radio])")) return;
  const row = inTurn();
  const radio = row && [...row.querySelectorAll("input")].find((input) => input.id.endsWith(`-${letter}`));
  if (!radio || radio.matches(":disabled")) return;
  event.preventDefault();
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  const next = rows()[rows().indexOf(row) + 1];
  (next?.querySelector("input:checked") ?? next?.querySelector("input") ?? radio).focus();
  next?.scrollIntoView({ block: "center" });
});
})();
