/**
 * Caches the result of `make` for each object, for the object's lifetime. For an agent's tools, which are the same
 * objects in every request (`messages/request-body.ts`): converting and serializing them is a third of a translation's
 * cost.
 */
export function memoizeByObject<Key extends object, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const made = new WeakMap<Key, Value>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    made.set(key, value);
    return value;
  };
}
