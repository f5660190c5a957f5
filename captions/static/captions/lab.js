// The lab: a vote is sent as soon as it is chosen, and the page goes on to the next picture without one.
(() => {
"use strict";
const form = document.getElementById("votes");
form?.addEventListener("change", (event) => {
  if (!event.target.matches("input[type=radio]")) return;
  htmx.ajax("POST", form.action, {
    source: form, swap: "none", values: { [event.target.name]: event.target.value },
  });
});
})();
