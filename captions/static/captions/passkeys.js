// Passkeys: hands each button that asks for one to the library's forms, and says in the page when none came.
(() => {
"use strict";
const forms = window.allauth.webauthn.forms;
const names = { loginForm: "login", authenticateForm: "authenticate", addForm: "add" };
const trouble = document.getElementById("passkey-trouble");

document.querySelectorAll("[data-passkey]").forEach((button) => {
  const { passkey, answer, asked, passwordless } = button.dataset;
  // In the library's words: where the answer goes, what the server asked, and whether the key is to log in alone.
  const ids = { [names[passkey]]: button.id, credential: answer };
  if (asked) ids.data = asked;
  if (passwordless) ids.passwordless = passwordless;
  button.addEventListener("click", () => { trouble.hidden = true; }, true);
  forms[passkey]({ ids });
});

// Somebody who changes their mind is no error of the page, and the console is not where they look.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  trouble.hidden = false;
});
})();
