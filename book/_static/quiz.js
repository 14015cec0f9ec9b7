// Keeps the score of a quiz: the questions that were answered rightly at the first try.
// A quiz works without this: every answer is a <details> that says by itself whether it is right.
document.addEventListener("DOMContentLoaded", () => {
  const answers = [...document.querySelectorAll('details[name^="quiz-"]')];
  if (answers.length === 0) return;
  const questions = new Set(answers.map((answer) => answer.getAttribute("name")));
  const kept = `quiz ${[...questions][0]}`;
  const score = document.createElement("p");
  const text = document.createElement("span");
  const again = document.createElement("button");
  score.className = "quiz-score";
  text.setAttribute("aria-live", "polite");
  again.type = "button";
  again.textContent = "Start again";
  score.append(text, again);
  document.getElementById("quiz")?.querySelector("h2")?.after(score);
  let first = {}; // question -> whether the first answer that was opened is right
  try {
    first = JSON.parse(localStorage.getItem(kept)) ?? {};
  } catch {
    // A browser that keeps nothing, or something else under this name: start from nothing.
  }

  function show() {
    const tried = Object.values(first);
    text.textContent = `Right at the first try: ${tried.filter(Boolean).length} of ` +
      `${tried.length} answered, ${questions.size} questions in all.`;
    again.hidden = tried.length === 0;
    try {
      localStorage.setItem(kept, JSON.stringify(first));
    } catch {
      // Then the score lasts as long as the page.
    }
  }

  again.addEventListener("click", () => {
    first = {};
    for (const answer of answers) answer.open = false;
    show();
  });
  for (const answer of answers) {
    const right = answer.textContent.includes("✅");
    answer.classList.add(right ? "quiz-right" : "quiz-wrong");
    answer.addEventListener("toggle", () => {
      const question = answer.getAttribute("name");
      if (!answer.open || question in first) return;
      first[question] = right;
      show();
    });
  }
  show();
});
