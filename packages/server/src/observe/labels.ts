/** Values of a label whose number callers decide, such as a model's name: after so many, the next ones share one. */
const MOST_VALUES = 100;
const OTHER = 'other';

/** Gives each label at most so many values: every one of them is a series that is kept for as long as the server runs. */
export function createLabel(most = MOST_VALUES): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= most) return OTHER;
    known.add(value);
    return value;
  };
}
