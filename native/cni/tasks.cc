#include "cni/tasks.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string_view>

namespace memswitch::cni {

namespace {

namespace fs = std::filesystem;

// A file in memory stands for each of the three streams: the plugin may write what it likes before it reads, and a child that it
// leaves behind keeps nobody waiting.
class Stream {
 public:
  Stream() : file_(::memfd_create("memswitch-cni", MFD_CLOEXEC)) {}

  [[nodiscard]] int fd() const { return file_.get(); }

  void write(const std::string& text) const {
    for (size_t done = 0; done < text.size();) {
      const ssize_t wrote = ::write(fd(), text.data() + done, text.size() - done);
      if (wrote <= 0) {
        return;
      }
      done += static_cast<size_t>(wrote);
    }
    ::lseek(fd(), 0, SEEK_SET);
  }

  [[nodiscard]] std::string read() const {
    struct stat about {};
    ::fstat(fd(), &about);
    std::string text(static_cast<size_t>(about.st_size), '\0');
    const ssize_t got = ::pread(fd(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    std::erase(text, '\0');  // which is the end of a text in a message
    return text;
  }

 private:
  UniqueFd file_;
};

std::string find(const std::string& name) {
  const char* const path = std::getenv("CNI_PATH");
  std::string_view folders = path == nullptr ? "" : path;
  while (!folders.empty()) {
    const size_t end = folders.find(':');
    const fs::path file = fs::path(folders.substr(0, end)) / name;
    if (::access(file.c_str(), X_OK) == 0) {
      return file;
    }
    folders.remove_prefix(end == std::string_view::npos ? folders.size() : end + 1);
  }
  return "";
}

std::string outcome(int status) {
  return WIFEXITED(status) ? std::to_string(WEXITSTATUS(status))
                           : "it was ended by signal " + std::to_string(WTERMSIG(status));
}

Message run(const std::string& name, const std::string& input, std::span<const std::string> env) {
  for (const std::string& entry : env) {
    const size_t sign = entry.find('=');
    if (sign != std::string::npos) {
      ::setenv(entry.substr(0, sign).c_str(), entry.c_str() + sign + 1, 1);
    }
  }
  std::string file = find(name);
  if (file.empty()) {
    return {"absent", "", ""};
  }
  const std::array<Stream, 3> streams;
  streams[0].write(input);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; ++fd) {
    ::posix_spawn_file_actions_adddup2(&actions, streams[static_cast<size_t>(fd)].fd(), fd);
  }
  char* const argv[] = {file.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawn(&child, file.c_str(), &actions, nullptr, argv, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return {std::strerror(error), "", ""};
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return {outcome(status), streams[1].read(), streams[2].read()};
}

Message write(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  const bool is_written =
      file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  return {is_written ? "" : path.string() + ": " + std::strerror(errno)};
}

Message remove(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  return {error ? path.string() + ": " + error.message() : ""};
}

}  // namespace

Message perform(const Message& task) {
  const std::string& what = task[0];
  if (what == "run" && task.size() >= 3) {
    return run(task[1], task[2], std::span(task).subspan(3));
  }
  if (what == "write" && task.size() == 3) {
    return write(task[1], task[2]);
  }
  if (what == "remove" && task.size() == 2) {
    return remove(task[1]);
  }
  return {"memswitch-cni cannot " + what + ": it is older than the daemon"};
}

}  // namespace memswitch::cni
