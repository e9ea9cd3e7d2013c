#include "core/operations.h"

#include <utility>

namespace lf {
namespace {

thread_local Operations counted;
thread_local bool counts_again = false;

}  // namespace

const Operations& operations() { return counted; }

void count_products(double operations) { (counts_again ? counted.again : counted.products) += operations; }
void count_attention(double operations) { (counts_again ? counted.again : counted.attention) += operations; }

CountsAgain::CountsAgain() : before_(std::exchange(counts_again, true)) {}
CountsAgain::~CountsAgain() { counts_again = before_; }

Uncounted::Uncounted() : before_(counted) {}
Uncounted::~Uncounted() { counted = before_; }

}  // namespace lf
