const LEVELS: readonly (readonly string[])[] = [
  ['+', '-'],
  ['*', '/'],
];

/** The value of `2 + 3 * (4 - 1)`; undefined when it is no such sum. */
export function calculated(text: string): number | undefined {
  const tokens =
    text
      .replaceAll('×', '*')
      .replaceAll('÷', '/')
      .replace(/x/gi, '*')
      .match(/\d+(?:\.\d+)?|[-+*/()]|\S/g) ?? [];
  let at = 0;

  const operand = (): number => {
    const token = tokens[at++];
    if (token === '-') return -operand();
    if (token === '(') {
      const inside = level(0);
      return tokens[at++] === ')' ? inside : Number.NaN;
    }
    return /^\d/.test(token ?? '') ? Number(token) : Number.NaN;
  };
  const level = (depth: number): number => {
    const operators = LEVELS[depth];
    if (!operators) return operand();
    let value = level(depth + 1);
    for (let operator = tokens[at]; operator && operators.includes(operator); operator = tokens[at]) {
      at++;
      const right = level(depth + 1);
      if (operator === '+') value += right;
      else if (operator === '-') value -= right;
      else if (operator === '*') value *= right;
      else value /= right;
    }
    return value;
  };

  // A recursion as deep as a page of brackets is none of a demo's business.
  if (tokens.length < 2 || tokens.length > 200) return undefined;
  const value = level(0);
  return at === tokens.length && Number.isFinite(value) ? value : undefined;
}
