# Static libraries whose every symbol goes into the binary: add-ons link
# against functions that node itself never calls. Paths from out/Release.
{
  'variables': {
    'vigil_whole_archives': [
      '../../../prefix/lib/libcrypto.a',
      '../../../prefix/lib/libssl.a',
      '../../../prefix/lib/libuv.a',
      '../../../prefix/lib/libz.a',
    ],
  },
}
