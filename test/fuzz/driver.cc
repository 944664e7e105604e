// The libFuzzer program of one target, FUZZ_TARGET.
#include "test/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::FUZZ_TARGET({data, size});
  return 0;
}
