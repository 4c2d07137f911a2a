// Checks an answer in the page, as omg_lib.checks does at the first try.
function checkNumbers({numbers, labels}, form) {
  const guess = (form.querySelector("input").value.match(/-?\d+/g) || []).map(Number);
  if (guess.length !== numbers.length) {
    return `Not yet: the question asks for ${numbers.length} numbers, but you gave ${guess.length}.`;
  }
  const wrong = numbers.map((_, i) => i).filter(i => guess[i] !== numbers[i]);
  if (!wrong.length) return `Right: [${numbers.join(", ")}].`;
  const are = wrong.length === 1 ? "is" : "are";
  return `Not yet: ${wrong.length} of ${numbers.length} numbers ${are} wrong (${wrong.map(i => labels[i]).join(", ")}).`;
}

function checkChoice({right, facts}, form) {
  const chosen = form.querySelector("input:checked")?.value;
  if (chosen === undefined) return "Not answered yet: choose one.";
  return chosen === right ? `Right: ${right} (${facts[right]}).` : `Not yet: it is not "${chosen}".`;
}

document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.omg-question")) {
    const question = JSON.parse(form.dataset.question);
    const check = question.numbers ? checkNumbers : checkChoice;
    form.addEventListener("submit", event => {
      event.preventDefault();
      form.querySelector("[role=status]").textContent = check(question, form);
    });
  }
});

// What is wider than its column scrolls, and takes the keyboard's focus; the rest is no stop on the way.
document.addEventListener("DOMContentLoaded", () => {
  const wide = document.querySelectorAll("article :is(pre, .cell_output, .table-wrapper)");
  new ResizeObserver(() => {
    for (const box of wide) {
      if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    }
  }).observe(document.body);
});
