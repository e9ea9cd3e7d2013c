// What precision, recall and F1 are made of.
#pragma once

namespace lf {

// 0 where the whole is 0.
inline double ratio(double part, double whole) { return whole == 0 ? 0 : part / whole; }

// F1 of precision and recall; 0 where both are 0.
inline double harmonic_mean(double a, double b) { return ratio(2 * a * b, a + b); }

}  // namespace lf
