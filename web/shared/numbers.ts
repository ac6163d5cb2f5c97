/** Phone numbers for people's eyes. The server's own display form is preferred wherever it is sent. */

/** Longest first: country codes whose grouping differs from plain threes. Digits per group after the country code. */
const GROUPINGS: readonly (readonly [code: string, length: number, groups: readonly number[]])[] = [
  ["91", 10, [5, 5]],
  ["1", 10, [3, 3, 4]],
  ["44", 10, [4, 6]],
  ["33", 9, [1, 2, 2, 2, 2]],
  ["971", 9, [2, 3, 4]],
  ["65", 8, [4, 4]],
  ["61", 9, [3, 3, 3]],
];

/** `+919876543210` to `+91 98765 43210`; what is not digits with an optional plus comes back unchanged. */
export function groupDigits(number: string): string {
  if (!/^\+?\d+$/.test(number)) return number;
  if (!number.startsWith("+")) return number.length > 6 ? cut(number, evenGroups(number.length)).join(" ") : number;
  const digits = number.slice(1);
  for (const [code, length, groups] of GROUPINGS) {
    if (digits.startsWith(code) && digits.length === code.length + length) {
      return `+${code} ${cut(digits.slice(code.length), groups).join(" ")}`;
    }
  }
  return `+${cut(digits, evenGroups(digits.length)).join(" ")}`;
}

/** Groups of three; a rest of one joins its neighbour, so that no digit stands alone. */
function evenGroups(length: number): number[] {
  const groups: number[] = [];
  let left = length;
  while (left > 4) {
    groups.push(3);
    left -= 3;
  }
  groups.push(left);
  return groups;
}

function cut(text: string, lengths: readonly number[]): string[] {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return text.slice(at - length, at);
  });
}
