//! The inner loops, compiled for the processor that runs them.
//!
//! Each is plain code that the compiler vectorises; `pulp` calls the copy made for the widest instructions that the
//! machine has (AVX-512, AVX2, NEON), else the baseline one. All arithmetic that is vectorised is on integers, so
//! every copy gives the same bits.

use pulp::Arch;

/// Dot product. Exact for up to 2¹⁷ dimensions of components up to 127.
///
/// Products of bytes fit into 16 bits; adding them in pairs into lanes of 32 is one instruction of the vector units
/// (`pmaddwd`), at their full width.
#[inline(always)]
fn dot_inline(a: &[i8], b: &[i8]) -> i32 {
    const LANES: usize = 16;
    let (a, a_rest) = a.as_chunks::<{ 2 * LANES }>();
    let (b, b_rest) = b.as_chunks::<{ 2 * LANES }>();
    let mut sums = [0_i32; LANES];
    for (a, b) in a.iter().zip(b) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            let product = |at: usize| i32::from(i16::from(a[at]) * i16::from(b[at]));
            *sum += product(2 * lane) + product(2 * lane + 1);
        }
    }
    let rest: i32 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(&x, &y)| i32::from(x) * i32::from(y))
        .sum();
    sums.iter().sum::<i32>() + rest
}

/// Dot product of two vectors.
pub(crate) fn dot(a: &[i8], b: &[i8]) -> i32 {
    dot_inline(a, b)
}

/// Cosine from a dot product and the scales of both vectors, which may change places.
#[inline(always)]
pub(crate) fn cosine(dot: i32, scale: f32, other_scale: f32) -> f32 {
    (dot as f32 * (scale * other_scale)).clamp(-1.0, 1.0)
}

/// Writes the cosine of `query` with each row of `rows` to `out`; `scales` and `out` have one entry a row.
pub(crate) fn cosines(query: &[i8], query_scale: f32, rows: &[i8], scales: &[f32], out: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || match query.len() {
            // The usual lengths are known to the compiler, which unrolls their loops.
            256 => cosines_of::<256>(query, query_scale, rows, scales, out),
            384 => cosines_of::<384>(query, query_scale, rows, scales, out),
            dims => {
                for ((row, scale), out) in rows.chunks_exact(dims).zip(scales).zip(out) {
                    *out = cosine(dot_inline(query, row), query_scale, *scale);
                }
            }
        },
    );
}

#[inline(always)]
fn cosines_of<const DIMS: usize>(
    query: &[i8],
    query_scale: f32,
    rows: &[i8],
    scales: &[f32],
    out: &mut [f32],
) {
    let query: &[i8; DIMS] = query.try_into().expect("the caller looked at the length");
    for ((row, scale), out) in rows.as_chunks::<DIMS>().0.iter().zip(scales).zip(out) {
        *out = cosine(dot_inline(query, row), query_scale, *scale);
    }
}

/// Writes to `out` in how many bits `query` differs from each row of `rows`.
pub(crate) fn hamming(query: &[u64], rows: &[u64], out: &mut [u32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || match query.len() {
            4 => hamming_of::<4>(query, rows, out),
            words => {
                for (row, out) in rows.chunks_exact(words).zip(out) {
                    *out = query.iter().zip(row).map(|(q, r)| (q ^ r).count_ones()).sum();
                }
            }
        },
    );
}

#[inline(always)]
fn hamming_of<const WORDS: usize>(query: &[u64], rows: &[u64], out: &mut [u32]) {
    let query: &[u64; WORDS] = query.try_into().expect("the caller looked at the length");
    for (row, out) in rows.as_chunks::<WORDS>().0.iter().zip(out) {
        *out = query.iter().zip(row).map(|(q, r)| (q ^ r).count_ones()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(dims: usize) -> impl Strategy<Value = Vec<i8>> {
        prop::collection::vec(any::<i8>(), dims * 9)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        /// 1, 7 and 100 leave a remainder in every register width; 256 and 384 take the unrolled loops.
        #[test]
        fn every_width_gives_the_scalar_result(
            (dims, rows) in prop::sample::select(vec![1, 7, 64, 100, 256, 384]).prop_flat_map(|d| (Just(d), rows(d)))
        ) {
            let (query, rows) = rows.split_at(dims);
            let scales: Vec<f32> = (0..8).map(|i| i as f32 / 1000.0).collect();
            let mut fast = [0.0; 8];
            cosines(query, 0.001, rows, &scales, &mut fast);
            for (i, fast) in fast.into_iter().enumerate() {
                let mut dot = 0_i64;
                for d in 0..dims {
                    dot += i64::from(query[d]) * i64::from(rows[i * dims + d]);
                }
                let naive = (dot as f32 * (0.001 * scales[i])).clamp(-1.0, 1.0);
                prop_assert_eq!(fast.to_bits(), naive.to_bits());
            }
        }

        #[test]
        fn every_width_counts_the_same_bits(
            (words, rows) in (1_usize..9).prop_flat_map(|w| (Just(w), prop::collection::vec(any::<u64>(), w * 9)))
        ) {
            let (query, rows) = rows.split_at(words);
            let mut fast = [0; 8];
            hamming(query, rows, &mut fast);
            for (i, fast) in fast.into_iter().enumerate() {
                let naive: u32 = (0..words * 64)
                    .filter(|bit| (query[bit / 64] ^ rows[i * words + bit / 64]) >> (bit % 64) & 1 == 1)
                    .count() as u32;
                prop_assert_eq!(fast, naive);
            }
        }
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let lowest = vec![i8::MIN; 65_536];
        assert_eq!(dot(&lowest, &lowest), 16_384 * 65_536);
    }
}
