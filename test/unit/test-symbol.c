/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "symbol.h"
#include "os.h"
#include "test.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct vigil__symbols symbols;
static char out[256];
static char module[256];

/* Stands in for the C++ runtime. */
char* __cxa_demangle(const char* name, char* buf, size_t* len, int* status);

char* __cxa_demangle(const char* name, char* buf, size_t* len, int* status) {
  (void) buf, (void) len;
  *status = strcmp(name, "_ZN5vigil4workEi") == 0 ? 0 : -2;
  return *status == 0 ? strdup("vigil::work(int)") : NULL;
}

__attribute__((noinline, used))
static int only_here(int a) {
  __asm__ volatile("nop; nop; nop; nop" ::: "memory");
  return a + 1;
}

__attribute__((noinline, used))
static int mangled(int a) __asm__("_ZN5vigil4workEi");
static int mangled(int a) {
  __asm__ volatile("nop" ::: "memory");
  return a + 2;
}

__attribute__((noinline, used))
static int not_quite(int a) __asm__("_Znotamangledname");
static int not_quite(int a) {
  __asm__ volatile("nop" ::: "memory");
  return a + 3;
}

/* Local, global and underscored names of one address; no size, and a gap of
 * code behind a function that has one. */
__asm__(".text\n"
        ".globl __vigil_test_alias\n"
        ".type __vigil_test_alias, @function\n"
        ".type vigil_test_alias, @function\n"
        ".type vigil_test_sized, @function\n"
        "__vigil_test_alias:\n"
        "vigil_test_alias:\n"
        ".skip 16, 0\n"
        "vigil_test_sized:\n"
        ".skip 8, 0\n"
        ".size vigil_test_sized, 8\n"
        "vigil_test_gap:\n"
        ".skip 64, 0\n"
        ".type vigil_test_next, @function\n"
        "vigil_test_next:\n"
        ".skip 16, 0\n");
extern char alias[] __asm__("__vigil_test_alias");

static int name(uintptr_t pc) {
  return vigil__symbol_name(&symbols, pc, out, sizeof(out), module,
                            sizeof(module));
}

static int first_bias(struct dl_phdr_info* info, size_t size, void* arg) {
  (void) size;
  *(uintptr_t*) arg = info->dlpi_addr;
  return 1;
}

/* As an address is shown that no symbol holds. */
static const char* where(uintptr_t pc) {
  static char text[PATH_MAX + 32];
  char path[PATH_MAX] = "";
  uintptr_t bias = 0;

  dl_iterate_phdr(first_bias, &bias);
  CHECK(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
  snprintf(text, sizeof(text), "%s+0x%lx", strrchr(path, '/') + 1,
           (unsigned long) (pc - bias));
  return text;
}

TEST(symbol_own_functions) {
  char exe[512];
  const ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
  const int fds = test_open_fds();

  CHECK(n > 0);
  exe[n] = '\0';
  CHECK_EQ(name((uintptr_t) only_here), 0);
  CHECK_STR(out, "only_here");
  CHECK_STR(module, exe);
  CHECK_EQ(name((uintptr_t) only_here + 3), 0);
  CHECK_STR(out, "only_here");
  CHECK_EQ(name((uintptr_t) vigil__symbols_drop), 0);
  CHECK_STR(out, "vigil__symbols_drop");
  CHECK_EQ(symbols.count, 1);
  vigil__symbols_drop(&symbols);
  CHECK_EQ(test_open_fds(), fds);
  CHECK_EQ(name((uintptr_t) only_here), 0);
  CHECK_STR(out, "only_here");
  vigil__symbols_drop(&symbols);
}

TEST(symbol_of_cpp) {
  CHECK_EQ(name((uintptr_t) mangled), 0);
  CHECK_STR(out, "vigil::work(int)");
  CHECK_EQ(name((uintptr_t) not_quite), 0);
  CHECK_STR(out, "_Znotamangledname");
  vigil__symbols_drop(&symbols);
}

TEST(symbol_aliases_and_gaps) {
  const uintptr_t at = (uintptr_t) alias;

  CHECK_EQ(name(at), 0);
  CHECK_STR(out, "vigil_test_alias");
  CHECK_EQ(name(at + 15), 0);  /* It has no size: up to the next. */
  CHECK_STR(out, "vigil_test_alias");
  CHECK_EQ(name(at + 16), 0);
  CHECK_STR(out, "vigil_test_sized");
  CHECK_EQ(name(at + 23), 0);
  CHECK_STR(out, "vigil_test_sized");
  CHECK_EQ(name(at + 24), 0);
  CHECK_STR(out, where(at + 24));
  CHECK_EQ(name(at + 24 + 63), 0);
  CHECK_STR(out, where(at + 24 + 63));
  CHECK_EQ(name(at + 24 + 64), 0);
  CHECK_STR(out, "vigil_test_next");
  vigil__symbols_drop(&symbols);
}

TEST(symbol_is_cut_to_fit) {
  char small[8];

  CHECK_EQ(vigil__symbol_name(&symbols, (uintptr_t) only_here, small,
                              sizeof(small), module, 8), 0);
  CHECK_STR(small, "only...");
  CHECK(strlen(module) == 7 && strcmp(module + 4, "...") == 0);
  CHECK_EQ(vigil__symbol_name(&symbols, (uintptr_t) alias + 30, small,
                              sizeof(small), module, 8), 0);
  CHECK(strncmp(small, "0x", 2) == 0);  /* No room for a name before it. */
  CHECK_EQ(vigil__symbol_name(&symbols, (uintptr_t) alias + 30, out,
                              sizeof(out), module, 8), 0);
  CHECK_STR(out, where((uintptr_t) alias + 30));
  CHECK_EQ(vigil__symbol_name(&symbols, 0x123456789abc, small, sizeof(small),
                              module, 8), -ENOENT);
  CHECK_STR(small, "0x12345");
  vigil__symbols_drop(&symbols);
}

/* libc has only .dynsym where it is stripped. Not by its C name here: that may
 * be a stub of this program, or a sanitizer's. */
TEST(symbol_of_libc) {
  void* libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  void* address;

  if (libc == NULL) {
    printf("# skipped: no shared libc.so.6 here\n");
    return;
  }
  address = dlsym(libc, "getppid");
  CHECK(address != NULL);
  CHECK_EQ(name((uintptr_t) address), 0);
  CHECK_STR(out, "getppid");
  CHECK(strstr(module, "/libc.so.6") != NULL);
  /* Of `read`, `__read` and others. */
  address = dlsym(libc, "fwrite");
  CHECK(address != NULL);
  CHECK_EQ(name((uintptr_t) address), 0);
  CHECK_STR(out, "fwrite");
  CHECK(symbols.count >= 1);
  vigil__symbols_drop(&symbols);
  dlclose(libc);
}

TEST(symbol_outside_of_modules) {
  char want[32];
  void* code = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  CHECK(code != MAP_FAILED);
  CHECK_EQ(name((uintptr_t) code), -ENOENT);
  snprintf(want, sizeof(want), "%p", code);
  CHECK_STR(out, want);
  CHECK_STR(module, "");
  CHECK_EQ(name(0), -ENOENT);
  CHECK_EQ(name(UINTPTR_MAX), -ENOENT);
  /* Data is no code. */
  CHECK_EQ(name((uintptr_t) &symbols), -ENOENT);
  CHECK_EQ(symbols.count, 0);
}

static void* no_memory(void* p, size_t size) {
  (void) p, (void) size;
  return NULL;
}

TEST(symbol_failures_leave_the_address) {
  const int fds = test_open_fds();
  char* end;

  vigil__os.realloc = no_memory;
  CHECK_EQ(name((uintptr_t) only_here), -ENOMEM);
  CHECK(strncmp(out, "0x", 2) == 0);
  CHECK(strtoull(out, &end, 16) > 0 && *end == '\0');
  CHECK(module[0] == '/');
  /* Remembered, until dropped. */
  vigil__os.realloc = realloc;
  CHECK_EQ(name((uintptr_t) only_here), -ENOMEM);
  vigil__symbols_drop(&symbols);
  CHECK_EQ(test_open_fds(), fds);
  CHECK_EQ(name((uintptr_t) only_here), 0);
  vigil__symbols_drop(&symbols);
}

/* This program's file as bytes, and what it is loaded as. */
static unsigned char* image;
static size_t image_len;
static struct vigil__symbol_id id;

static void load_image(void) {
  ElfW(Ehdr) header;
  struct stat st;
  unsigned i;
  int fd = open("/proc/self/exe", O_RDONLY);

  CHECK(fd >= 0 && fstat(fd, &st) == 0);
  image_len = (size_t) st.st_size;
  image = malloc(image_len);
  CHECK(image != NULL);
  CHECK(read(fd, image, image_len) == (ssize_t) image_len);
  close(fd);
  memcpy(&header, image, sizeof(header));
  id.phdrs = header.e_phnum;
  CHECK(id.phdrs <= VIGIL__SYMBOL_PHDRS);
  memcpy(id.phdr, image + header.e_phoff, id.phdrs * sizeof(id.phdr[0]));
  for (i = 0; i < id.phdrs && id.build_id_len == 0; i++)
    if (id.phdr[i].p_type == PT_NOTE)
      id.build_id_len = vigil__symbol_build_id(
          image + id.phdr[i].p_offset, id.phdr[i].p_filesz,
          id.phdr[i].p_align, id.build_id);
}

static const char* put_image(size_t len) {
  static char path[512];
  int fd;

  snprintf(path, sizeof(path), "%s/image", test_dir());
  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  CHECK(write(fd, image, len) == (ssize_t) len);
  close(fd);
  return path;
}

TEST(symbol_file_must_be_the_loaded_one) {
  struct vigil__symbol_file file;
  ElfW(Ehdr) header;
  const int fds = test_open_fds();

  load_image();
  CHECK_EQ(vigil__symbol_file_open(&file, put_image(image_len), &id), 0);
  vigil__symbol_file_close(&file);
  /* Another build of the same layout. */
  if (id.build_id_len > 0) {
    id.build_id[3] ^= 1;
    CHECK_EQ(vigil__symbol_file_open(&file, put_image(image_len), &id),
             -ESTALE);
    id.build_id[3] ^= 1;
  } else {
    printf("# skipped: this program has no build id\n");
  }
  /* Another layout. */
  id.phdr[2].p_filesz++;
  CHECK_EQ(vigil__symbol_file_open(&file, put_image(image_len), &id), -ESTALE);
  id.phdr[2].p_filesz--;
  id.phdrs--;
  CHECK_EQ(vigil__symbol_file_open(&file, put_image(image_len), &id), -ESTALE);
  id.phdrs++;

  CHECK_EQ(vigil__symbol_file_open(&file, "/nonexistent", &id), -ENOENT);
  CHECK_EQ(vigil__symbol_file_open(&file, test_dir(), &id), -ENOEXEC);
  CHECK_EQ(vigil__symbol_file_open(&file, "/dev/zero", &id), -ENOEXEC);
  CHECK_EQ(vigil__symbol_file_open(&file, put_image(0), &id), -ENOEXEC);
  CHECK_EQ(vigil__symbol_file_open(&file, put_image(30), &id), -ENOEXEC);
  /* Stripped of all sections. */
  memcpy(&header, image, sizeof(header));
  header.e_shnum = 0;
  memcpy(image, &header, sizeof(header));
  CHECK_EQ(vigil__symbol_file_open(&file, put_image(image_len), &id), -ENOENT);
  CHECK_EQ(test_open_fds(), fds);
  free(image);
}

/* Without .symtab there is .dynsym. */
TEST(symbol_file_without_symtab) {
  struct vigil__symbol_file file;
  ElfW(Ehdr) header;
  ElfW(Shdr) s;
  size_t whole;
  unsigned i;
  int r;

  load_image();
  CHECK_EQ(vigil__symbol_file_open(&file, put_image(image_len), &id), 0);
  whole = file.count;
  vigil__symbol_file_close(&file);
  memcpy(&header, image, sizeof(header));
  for (i = 0; i < header.e_shnum; i++) {
    unsigned char* at = image + header.e_shoff + i * sizeof(s);

    memcpy(&s, at, sizeof(s));
    if (s.sh_type != SHT_SYMTAB)
      continue;
    s.sh_type = SHT_PROGBITS;
    memcpy(at, &s, sizeof(s));
  }
  /* This program exports little or nothing. */
  r = vigil__symbol_file_open(&file, put_image(image_len), &id);
  CHECK(r == 0 || r == -ENOENT);
  CHECK(file.count < whole);
  if (r == 0)
    vigil__symbol_file_close(&file);
  free(image);
}

/* Whatever the file holds: an error or a name, never a fault. */
TEST(symbol_file_that_is_broken) {
  struct vigil__symbol_file file;
  ElfW(Ehdr) header;
  unsigned char* clean;
  uint64_t past;
  unsigned opened = 0;
  unsigned i;

  load_image();
  clean = malloc(image_len);
  CHECK(clean != NULL);
  memcpy(clean, image, image_len);
  memcpy(&header, image, sizeof(header));
  for (i = 0; i < 300; i++) {
    size_t len = image_len;
    unsigned n;

    for (n = 0; n < 1 + i % 6; n++) {
      /* The header, section headers, or a symbol table's place. */
      const size_t spot = i % 3 == 0 ? test_random(sizeof(header))
          : (size_t) (header.e_shoff +
                      test_random(header.e_shnum * sizeof(ElfW(Shdr))));

      image[spot] = (unsigned char) test_random(256);
    }
    if (i % 10 == 9)
      len = test_random(image_len);
    if (vigil__symbol_file_open(&file, put_image(len), &id) == 0) {
      opened++;
      for (n = 0; n < 50; n++)
        vigil__symbol_file_find(&file, test_random(1u << 20), 0, out,
                                sizeof(out), &past);
      vigil__symbol_file_close(&file);
    }
    memcpy(image, clean, image_len);
  }
  CHECK(opened > 0);
  CHECK(opened < 300);
  free(clean);
  free(image);
}

/* In place, as `cp` does it, while the file is open. */
TEST(symbol_file_cut_while_open) {
  struct vigil__symbol_file file;
  uint64_t past;

  load_image();
  CHECK_EQ(vigil__symbol_file_open(&file, put_image(image_len), &id), 0);
  CHECK_EQ(vigil__symbol_file_find(&file, UINT32_MAX, 0, out, sizeof(out),
                                   &past), 0);
  put_image(100);
  CHECK_EQ(vigil__symbol_file_find(&file, UINT32_MAX, 0, out, sizeof(out),
                                   &past), -ENOEXEC);
  CHECK_STR(out, "");
  vigil__symbol_file_close(&file);
  free(image);
}

TEST(symbol_build_id_of_notes) {
  static const uint32_t other_first[] = {
    4, 5, 7, 0x554e47 /* "GNU" */, 1, 2,     /* Another type, 5 bytes. */
    4, 4, 3, 0x554e47, 0x04030201
  };
  static const uint32_t too_long[] = { 4, 400, 3, 0x554e47, 1, 2 };
  static const uint32_t huge[] = { UINT32_MAX, UINT32_MAX, 3, 0x554e47, 1, 2 };
  uint8_t got[64];
  size_t len;

  CHECK_EQ(vigil__symbol_build_id((const uint8_t*) other_first,
                                  sizeof(other_first), 4, got), 4);
  CHECK_EQ(got[0], 1);
  CHECK_EQ(got[3], 4);
  for (len = 0; len < sizeof(other_first); len++)
    CHECK_EQ(vigil__symbol_build_id((const uint8_t*) other_first, len, 4, got),
             0);
  CHECK_EQ(vigil__symbol_build_id((const uint8_t*) too_long, sizeof(too_long),
                                  4, got), 0);
  CHECK_EQ(vigil__symbol_build_id((const uint8_t*) huge, sizeof(huge), 4, got),
           0);
}
