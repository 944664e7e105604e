// The committed inputs of the fuzz targets, through the same functions, under whatever compiler and sanitizer the native
// tests are built with. They stand below the working directory, which is the project's.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "test/fuzz/fuzz.h"
#include "test/native/expect.h"

namespace {

std::vector<uint8_t> read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An input that breaks something ends the process: what it was is known only if it was said before.
void replay(const std::string& name, void (*target)(fuzz::Bytes)) {
  const std::filesystem::path folder = "test/fuzz/corpus/" + name;
  EXPECT(std::filesystem::is_directory(folder));
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::vector<uint8_t> input = read(entry.path());
    fuzz::replaying = entry.path().c_str();
    target(input);
    ++count;
  }
  fuzz::replaying = "";
  EXPECT(count >= 5);
}

}  // namespace

TEST("the server's handshake: committed inputs") {
  replay("server_handshake", fuzz::server_handshake);
}

TEST("the client's handshake: committed inputs") {
  replay("client_handshake", fuzz::client_handshake);
}

TEST("rings and bursts: committed inputs") {
  replay("ring", fuzz::ring);
}

TEST("who a frame is from: committed inputs") {
  replay("anti_spoof", fuzz::anti_spoof);
}

TEST("files of attachments: committed inputs") {
  replay("attach_file", fuzz::attach_file);
}

TEST("what another process hands over: committed inputs") {
  replay("handover", fuzz::handover);
}

TEST("configurations of container networks: committed inputs") {
  replay("cni_configuration", fuzz::cni_configuration);
}

TEST("tags of VLANs: committed inputs") {
  replay("vlan", fuzz::vlan);
}

TEST("decapsulation: committed inputs") {
  replay("decapsulate", fuzz::decapsulate);
}

TEST("too long packets: committed inputs") {
  replay("too_big", fuzz::too_big);
}

TEST("neighbours: committed inputs") {
  replay("neighbor", fuzz::neighbor);
}

TEST("filters: committed inputs") {
  replay("filter", fuzz::filter);
}
