// The switches of this process by token: a number is what one JavaScript thread can hand to another.
#pragma once

#include <cstdint>
#include <memory>

#include "control/switch.h"

namespace memswitch::binding {

uint32_t enroll(std::shared_ptr<Switch> made);
void strike(uint32_t token);
std::shared_ptr<Switch> enrolled(uint32_t token);
void stop_all();

}  // namespace memswitch::binding
