"""Clients that mean no good: they connect to a memif socket, send what no client sends, with files that nobody needs, and
go without a word. Ends with its standard input, and prints how often it connected."""
import array, os, random, select, socket, struct, sys

path = sys.argv[1]


def garbage():
    """A message of 128 bytes: of a known type or none, with whatever behind it."""
    kind = random.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, random.randrange(65536)])
    return struct.pack('<H', kind) + os.urandom(random.choice([126, 126, 126, 2, 60]))


def some_file():
    fd = os.memfd_create('soak')
    os.ftruncate(fd, random.choice([0, 1, 4096, 1 << 20]))
    return fd


connections = 0
while not select.select([sys.stdin], [], [], 0.005)[0]:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(0.2)
    try:
        s.connect(path)
        connections += 1
        s.recv(256)
        for _ in range(random.randrange(6)):
            if random.random() < 0.3:
                fd = some_file()
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))
                try:
                    s.sendmsg([garbage()], [rights])
                finally:
                    os.close(fd)
            else:
                s.send(garbage())
    except OSError:
        pass
    s.close()
print(connections)
