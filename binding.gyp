# The native half: a library of everything that needs no Node, the addon around it, and programs that use the
# library alone. `npm run build` runs it; `-Dsanitize=address,undefined` builds with sanitizers.
{
  'variables': {
    'sanitize%': '',
    # Where DPDK's development files are installed, Ethernet devices are built as well.
    'dpdk%': '<!(pkg-config --exists libdpdk && echo 1 || echo 0)',
    'strict': ['-Wall', '-Wextra', '-Wshadow', '-Wconversion', '-Werror'],
  },
  'target_defaults': {
    'default_configuration': 'Release',
    'include_dirs': ['.', 'native'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-fno-exceptions', '-fno-rtti', '-Wno-unused-parameter'],
    'cflags!': ['-Wno-unused-parameter'],
    # x86-64-v2 is the oldest processor we serve; the loader says so where it does not do.
    'cflags_cc': ['-std=c++20', '-march=x86-64-v2', '-fvisibility=hidden', '-fno-strict-aliasing', '<@(strict)'],
    'conditions': [
      ['sanitize!=""', {
        'cflags_cc': ['-fsanitize=<(sanitize)', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-g'],
        'ldflags': ['-fsanitize=<(sanitize)'],
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'core',
      'type': 'static_library',
      'cflags_cc': ['-fno-exceptions', '-fno-rtti'],
      'sources': [
        'native/dataplane/classify.cc',
        'native/dataplane/deliver.cc',
        'native/dataplane/learn.cc',
        'native/dataplane/look_up.cc',
        'native/dataplane/poll.cc',
        'native/dataplane/pollset.cc',
        'native/dataplane/settle.cc',
        'native/dataplane/snapshot.cc',
        'native/dataplane/worker.cc',
        'native/tables/mac_table.cc',
        'native/tables/tunnel_table.cc',
        'native/memif/address.cc',
        'native/memif/attachment.cc',
        'native/memif/channel.cc',
        'native/memif/client_handshake.cc',
        'native/memif/doorbell.cc',
        'native/memif/guard.cc',
        'native/memif/region.cc',
        'native/memif/ring.cc',
        'native/memif/server_handshake.cc',
        'native/vxlan/decapsulate.cc',
        'native/vxlan/encapsulate.cc',
        'native/vxlan/flow.cc',
        'native/vxlan/ip_address.cc',
        'native/ports/ip_mode.cc',
        'native/ports/memif.cc',
        'native/ports/vxlan.cc',
        'native/ports/vxlan_kernel.cc',
        'native/control/bridges.cc',
        'native/control/disposal.cc',
        'native/control/dpdk.cc',
        'native/control/memif_client.cc',
        'native/control/memif_server.cc',
        'native/control/netns.cc',
        'native/control/reactor.cc',
        'native/control/switch.cc',
        'native/control/vxlan.cc',
        'native/control/vxlan_sockets.cc',
        'native/control/workers.cc',
      ],
    },
    {
      'target_name': 'memswitch',
      'dependencies': [
        'core',
        "<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except",
      ],
      # As system headers: our warnings are not theirs.
      'cflags_cc': [
        '-fexceptions', '-frtti',
        '-isystem', "<!(node -p \"require('node:path').resolve(require('node-addon-api').include_dir)\")",
        '-isystem', '<(nodedir)/include/node',
      ],
      'defines': ['NAPI_VERSION=9'],
      'sources': [
        'native/binding/addon.cc',
        'native/binding/convert.cc',
        'native/binding/registry.cc',
        'native/binding/switch_object.cc',
      ],
    },
    {
      'target_name': 'blast',
      'type': 'executable',
      'dependencies': ['core'],
      'cflags_cc': ['-fno-exceptions', '-fno-rtti'],
      'sources': ['bench/blast.cc'],
    },
    {
      'target_name': 'instructions',
      'type': 'executable',
      'dependencies': ['core'],
      'cflags_cc': ['-fno-exceptions', '-fno-rtti'],
      'sources': ['bench/instructions.cc'],
    },
    {
      'target_name': 'load',
      'type': 'executable',
      'dependencies': ['core'],
      'cflags_cc': ['-fno-exceptions', '-fno-rtti'],
      'sources': ['bench/load.cc'],
    },
    {
      # Loaded by control/dpdk.cc with the first device; the addon needs no DPDK.
      'target_name': 'memswitch_dpdk',
      'type': 'none',
      'conditions': [
        ['dpdk==1', {
          'type': 'loadable_module',
          # node-gyp calls every module an addon, and says so just as late.
          'target_conditions': [['_type=="loadable_module"', {'product_extension': 'so'}]],
          # DPDK's headers as system headers: our warnings are not theirs.
          'cflags_cc': [
            '-fno-exceptions', '-fno-rtti', '-DALLOW_EXPERIMENTAL_API',
            "<!@(pkg-config --cflags libdpdk | sed -e 's/-I/-isystem /g' -e 's/-march=[^ ]*//')",
          ],
          'libraries': [
            "<!@(pkg-config --libs-only-L libdpdk)", '-Wl,--as-needed',
            '-lrte_ethdev', '-lrte_mbuf', '-lrte_mempool', '-lrte_ring', '-lrte_net', '-lrte_kvargs', '-lrte_eal',
          ],
          'sources': [
            'native/control/buffers.cc',
            'native/control/devices.cc',
            'native/control/drivers.cc',
            'native/control/eal.cc',
            'native/control/interface.cc',
            'native/control/netns.cc',
            'native/ports/ethdev.cc',
          ],
        }],
      ],
    },
    {
      # Listed here, built by test/native/build.mjs in its variants: `npm start` has no use for it.
      'target_name': 'native_test',
      'type': 'none',
      'dependencies': ['core'],
      # A failed check leaves its test by an exception; none ever passes through the core.
      'cflags_cc': ['-fexceptions', '-frtti'],
      'sources': [
        'test/native/main.cc',
        'test/tables/mac_table.cc',
        'test/dataplane/bridge.cc',
        'test/dataplane/churn.cc',
        'test/dataplane/learn.cc',
        'test/ports/attach.cc',
        'test/ports/memif.cc',
        'test/memif/doorbell.cc',
        'test/memif/hostile/handshake.cc',
        'test/memif/hostile/manners.cc',
        'test/memif/hostile/memory.cc',
        'test/memif/hostile/records.cc',
        'test/memif/hostile/rings.cc',
        'test/ports/vxlan.cc',
        'test/vxlan/headers.cc',
        'test/fuzz/client_handshake.cc',
        'test/fuzz/decapsulate.cc',
        'test/fuzz/replay.cc',
        'test/fuzz/ring.cc',
        'test/fuzz/server_handshake.cc',
      ],
    },
  ],
}
