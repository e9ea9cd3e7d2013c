#include "trainers/metrics/assignment.h"

#include <cstddef>
#include <limits>
#include <utility>

namespace lf {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix transposed(const Matrix& matrix) {
  Matrix result(matrix.front().size(), std::vector<double>(matrix.size()));
  for (size_t i = 0; i < matrix.size(); ++i) {
    for (size_t j = 0; j < matrix[i].size(); ++j) result[j][i] = matrix[i][j];
  }
  return result;
}

// Assigns the rows one by one, each along the shortest augmenting path under potentials of rows and columns;
// costs are the weights' negatives. Row and column 0 stand for none.
std::vector<size_t> rows_of_columns(const Matrix& weights) {
  const size_t rows = weights.size(), columns = weights.front().size();
  std::vector<double> row_potential(rows + 1), column_potential(columns + 1);
  std::vector<size_t> row_of(columns + 1, 0), before(columns + 1, 0);
  for (size_t row = 1; row <= rows; ++row) {
    std::vector<double> slack(columns + 1, std::numeric_limits<double>::infinity());
    std::vector<bool> reached(columns + 1, false);
    size_t column = 0;
    row_of[0] = row;
    while (row_of[column] != 0) {
      reached[column] = true;
      const size_t from = row_of[column];
      double least = std::numeric_limits<double>::infinity();
      size_t next = 0;
      for (size_t j = 1; j <= columns; ++j) {
        if (reached[j]) continue;
        const double cost = -weights[from - 1][j - 1] - row_potential[from] - column_potential[j];
        if (cost < slack[j]) {
          slack[j] = cost;
          before[j] = column;
        }
        if (slack[j] < least) {
          least = slack[j];
          next = j;
        }
      }
      for (size_t j = 0; j <= columns; ++j) {
        if (reached[j]) {
          row_potential[row_of[j]] += least;
          column_potential[j] -= least;
        } else {
          slack[j] -= least;
        }
      }
      column = next;
    }
    while (column != 0) {
      row_of[column] = row_of[before[column]];
      column = before[column];
    }
  }
  return row_of;
}

}  // namespace

double best_assignment(const Matrix& weights) {
  if (weights.empty() || weights.front().empty()) return 0;
  if (weights.size() > weights.front().size()) return best_assignment(transposed(weights));
  const std::vector<size_t> row_of = rows_of_columns(weights);
  double sum = 0;
  for (size_t column = 1; column < row_of.size(); ++column) {
    if (row_of[column] > 0) sum += weights[row_of[column] - 1][column - 1];
  }
  return sum;
}

}  // namespace lf
