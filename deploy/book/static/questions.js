// Checks an answer in the page, as omg_lib.checks does at the first try: it says how many numbers are wrong, and which.
document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.omg-question")) {
    const truth = JSON.parse(form.dataset.truth);
    const labels = JSON.parse(form.dataset.labels);
    form.addEventListener("submit", event => {
      event.preventDefault();
      const guess = (form.querySelector("input").value.match(/-?\d+/g) || []).map(Number);
      const wrong = truth.map((_, i) => i).filter(i => guess[i] !== truth[i]);
      let said = `Right: [${truth.join(", ")}].`;
      if (guess.length !== truth.length) {
        said = `Not yet: the question asks for ${truth.length} numbers, but you gave ${guess.length}.`;
      } else if (wrong.length) {
        said = `Not yet: wrong is ${wrong.map(i => labels[i]).join(", ")}.`;
      }
      form.querySelector("[role=status]").textContent = said;
    });
  }
});
