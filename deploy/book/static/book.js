// Checks an answer in the page, as omg_lib.checks does at the first try.
// `words` are the sentences, in the page's language.
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

function checkNumbers({numbers, labels}, words, form) {
  const guess = (form.querySelector("input").value.match(/-?\d+/g) || []).map(Number);
  if (guess.length !== numbers.length) return filled(words.count, {all: numbers.length, n: guess.length});
  const wrong = numbers.map((_, i) => i).filter(i => guess[i] !== numbers[i]);
  if (!wrong.length) return filled(words.right, {answer: `[${numbers.join(", ")}]`});
  const names = wrong.map(i => labels[i]).join(", ");
  return filled(wrong.length === 1 ? words.one : words.many, {n: wrong.length, all: numbers.length, names});
}

function checkChoice({right, facts}, words, form) {
  const chosen = form.querySelector("input:checked")?.value;
  if (chosen === undefined) return words.open;
  return filled(...chosen === right ? [words.right, {answer: `${right} (${facts[right]})`}] : [words.other, {guess: chosen}]);
}

document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.omg-question")) {
    const question = JSON.parse(form.dataset.question), words = JSON.parse(form.dataset.words);
    const check = question.numbers ? checkNumbers : checkChoice;
    form.addEventListener("submit", event => {
      event.preventDefault();
      form.querySelector("[role=status]").textContent = check(question, words, form);
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
