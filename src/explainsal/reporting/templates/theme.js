"use strict";
// Runs in the head, so that a chosen theme is there before the first paint. Without a choice the system's holds.
(() => {
  const names = ["auto", "light", "dark"];
  const root = document.documentElement;
  let current = "auto";
  try { current = localStorage.getItem("explainsal-theme") || "auto"; } catch { /* a browser may forbid storage for files */ }
  const apply = () => {
    if (current === "auto") root.removeAttribute("data-theme"); else root.dataset.theme = current;
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[current];
      button.setAttribute("aria-label", `Color theme: ${current}. Press for the next one.`);
    }
  };
  apply();
  addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      current = names[(names.indexOf(current) + 1) % names.length];
      try { localStorage.setItem("explainsal-theme", current); } catch { /* the choice then lasts as long as the page */ }
      apply();
    });
  });
})();
