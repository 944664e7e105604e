// Records that are none, and descriptors by the hundred.
#include "test/memif/hostile/kit.h"

using namespace memswitch;
using namespace memswitch::memif;
using namespace memswitch::test;

TEST("records that are none, and descriptors by the hundred, end the connection") {
  Fixture fixture;
  fixture.add_port("a");
  const size_t descriptors = open_descriptors();
  for (const size_t size : {size_t{1}, size_t{127}, size_t{129}, size_t{4096}}) {
    const expect::Row row(std::to_string(size) + " bytes");
    Speaker speaker(fixture.socket("a"));
    const std::vector<std::byte> bytes(size);
    EXPECT_EQ(::send(speaker.channel.fd(), bytes.data(), size, MSG_NOSIGNAL), size);
    EXPECT_EQ(speaker.hear(), MessageType::kDisconnect);
    EXPECT_CONTAINS(speaker.words, "128 bytes");
  }
  Speaker flood(fixture.socket("a"));
  Message message = init();
  iovec data{&message, sizeof message};
  alignas(cmsghdr) char control[CMSG_SPACE(200 * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(200 * sizeof(int));
  for (size_t i = 0; i < 200; ++i) {
    const int fd = STDERR_FILENO;
    std::memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
  }
  EXPECT_EQ(::sendmsg(flood.channel.fd(), &header, MSG_NOSIGNAL), sizeof message);
  EXPECT_EQ(flood.hear(), MessageType::kDisconnect);
  EXPECT_CONTAINS(flood.words, "200 descriptors");
  flood.channel = Channel(UniqueFd());
  EXPECT_SOON(open_descriptors() <= descriptors);
}
