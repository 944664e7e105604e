#include "binding/registry.h"

#include <map>
#include <mutex>

namespace memswitch::binding {

namespace {

struct Registry {
  std::mutex lock;
  uint32_t last = 0;
  std::map<uint32_t, std::shared_ptr<Switch>> switches;
};

// Never destroyed: at exit other threads may still look something up.
Registry& registry() {
  static auto& instance = *std::make_unique<Registry>().release();
  return instance;
}

}  // namespace

uint32_t enroll(std::shared_ptr<Switch> made) {
  const std::lock_guard guard(registry().lock);
  const uint32_t token = ++registry().last;
  registry().switches.emplace(token, std::move(made));
  return token;
}

void strike(uint32_t token) {
  const std::lock_guard guard(registry().lock);
  registry().switches.erase(token);
}

std::shared_ptr<Switch> enrolled(uint32_t token) {
  const std::lock_guard guard(registry().lock);
  const auto found = registry().switches.find(token);
  return found == registry().switches.end() ? nullptr : found->second;
}

void stop_all() {
  const std::lock_guard guard(registry().lock);
  for (const auto& [token, one] : registry().switches) {
    one->stop();
  }
}

}  // namespace memswitch::binding
