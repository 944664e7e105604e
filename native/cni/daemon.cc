#include "cni/daemon.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstdint>
#include <cstring>

namespace memswitch::cni {

namespace {

constexpr size_t kLongestHead = 8192;

}  // namespace

bool split(const std::string& bytes, Message& message) {
  message.clear();
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = bytes.find('\0', at);
    if (end == std::string::npos) {
      return false;
    }
    message.emplace_back(bytes, at, end - at);
    at = end + 1;
  }
  return true;
}

Status Daemon::connect(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) {
    return refuse(Code::kInvalid, "the path is too long for a socket");
  }
  socket.copy(address.sun_path, socket.size());
  socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval silence{kLongestSilenceS, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(socket_.get(), generic, sizeof address) != 0) {
    return system_error("connect");
  }
  return upgrade();
}

Status Daemon::upgrade() {
  if (Status status = send("GET /v1/cni HTTP/1.1\r\nHost: memswitch\r\nConnection: Upgrade\r\n"
                           "Upgrade: memswitch-cni\r\n\r\n");
      !status.ok()) {
    return status;
  }
  // Byte by byte: what follows the head is a message already.
  std::string head;
  while (!head.ends_with("\r\n\r\n") && head.size() < kLongestHead) {
    char letter = 0;
    if (Status status = receive(&letter, 1); !status.ok()) {
      return status;
    }
    head += letter;
  }
  if (!head.starts_with("HTTP/1.1 101 ")) {
    return refuse(Code::kSystem, "it answers " + head.substr(0, head.find('\r')));
  }
  return {};
}

Status Daemon::send(const Message& message) {
  std::string texts;
  for (const std::string& text : message) {
    texts.append(text.c_str(), text.size() + 1);
  }
  const auto size = static_cast<uint32_t>(texts.size());
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return send(bytes + texts);
}

Status Daemon::receive(Message& message) {
  uint32_t size = 0;
  if (Status status = receive(reinterpret_cast<char*>(&size), sizeof size); !status.ok()) {
    return status;
  }
  if (size > kLongestMessage) {
    return refuse(Code::kSystem, "it speaks of " + std::to_string(size) + " bytes");
  }
  std::string texts(size, '\0');
  if (Status status = receive(texts.data(), size); !status.ok()) {
    return status;
  }
  return split(texts, message) ? Status{} : refuse(Code::kSystem, "its message has no end");
}

Status Daemon::send(const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t sent =
        ::send(socket_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      return system_error("send");
    }
    done += sent > 0 ? static_cast<size_t>(sent) : 0;
  }
  return {};
}

Status Daemon::receive(char* to, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t got = ::recv(socket_.get(), to + done, size - done, 0);
    if (got == 0) {
      return refuse(Code::kClosed, "it hung up");
    }
    if (got < 0 && errno == EAGAIN) {
      const std::string seconds = std::to_string(kLongestSilenceS);
      return refuse(Code::kSystem, "no answer in " + seconds + " s");
    }
    if (got < 0 && errno != EINTR) {
      return system_error("receive");
    }
    done += got > 0 ? static_cast<size_t>(got) : 0;
  }
  return {};
}

}  // namespace memswitch::cni
