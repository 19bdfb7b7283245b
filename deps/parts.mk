# SPDX-License-Identifier: MIT
# Every third-party part, side by side under one job server, the longest first.
parts := icu openssl sqlite simdutf nghttp2 brotli zstd ada llhttp simdjson \
         libuv cares hdr zlib esbuild
.PHONY: all $(parts)
all: $(parts)
$(parts):
	+@$(CURDIR)/part.sh $@
openssl: zlib brotli zstd
llhttp: esbuild
