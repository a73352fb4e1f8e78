// Stable sorting of the lines of x [outer, n, inner] along n, as i32 places [outer, n, inner]. NaN counts as the largest.

/** `scratch` holds 2·n places. */
export function argsort<T>(
  outer: usize,
  n: usize,
  inner: usize,
  descending: bool,
  x: usize,
  out: usize,
  scratch: usize,
): void {
  for (let o: usize = 0; o < outer; o++) {
    for (let c: usize = 0; c < inner; c++) {
      const first = o * n * inner + c
      const sorted = line<T>(n, inner * sizeof<T>(), descending, x + first * sizeof<T>(), scratch)
      for (let i: usize = 0; i < n; i++) store<i32>(out + (first + i * inner) * 4, load<i32>(sorted + i * 4))
    }
  }
}

/** Whether a stands before b, and not only because it came first. @inline */
function before<T>(a: T, b: T, descending: bool): bool {
  return descending ? a > b || (a !== a && b === b) : a < b || (b !== b && a === a)
}

/** Merges runs of 1, 2, 4, … places from one half of the scratch memory into the other. Returns the half with the result. */
function line<T>(n: usize, stride: usize, descending: bool, x: usize, scratch: usize): usize {
  let from = scratch
  let to = scratch + n * 4
  for (let i: usize = 0; i < n; i++) store<i32>(from + i * 4, <i32>i)
  for (let width: usize = 1; width < n; width *= 2) {
    for (let begin: usize = 0; begin < n; begin += 2 * width) {
      const middle = min(begin + width, n)
      const end = min(begin + 2 * width, n)
      let left = begin
      let right = middle
      for (let i = begin; i < end; i++) {
        let second = left === middle
        if (!second && right < end) {
          const a = load<T>(x + <usize>load<i32>(from + left * 4) * stride)
          const b = load<T>(x + <usize>load<i32>(from + right * 4) * stride)
          second = before<T>(b, a, descending)
        }
        store<i32>(to + i * 4, load<i32>(from + (second ? right : left) * 4))
        if (second) right++
        else left++
      }
    }
    const swap = from
    from = to
    to = swap
  }
  return from
}
