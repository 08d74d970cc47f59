// The loops of wasm/assembly/schedule/maglev.ts and its binding in C, and their time.
// Run: ./maglev <choose | build> <operations>. 64 shards as in rendezvous.c; the checksum is of 1,024 choices, or of the table.
#include "bench.h"

#define SHARD_COUNT 64
#define TABLE_SIZE 65537u

static struct shard {
  char id[16];
  uint32_t weight;
} shards[SHARD_COUNT];
static uint64_t target[SHARD_COUNT];
static uint32_t position[SHARD_COUNT], skip[SHARD_COUNT], weight[SHARD_COUNT], shard[SHARD_COUNT];
static uint16_t entries[TABLE_SIZE];

static int by_id(const void *a, const void *b) { return strcmp(shards[*(const uint32_t *)a].id, shards[*(const uint32_t *)b].id); }

static void take_entry(int index) {
  uint32_t at = position[index];
  for (uint32_t step = 0; step < TABLE_SIZE; step++) {
    const uint32_t entry = at;
    at += skip[index];
    if (at >= TABLE_SIZE) at -= TABLE_SIZE;
    if (entries[entry] != 0xffff) continue;
    entries[entry] = (uint16_t)shard[index];
    break;
  }
  position[index] = at;
}

static uint32_t build(uint32_t unused) {
  (void)unused;
  uint64_t weight_max = 0;
  for (uint32_t i = 0; i < SHARD_COUNT; i++) shard[i] = i;
  qsort(shard, SHARD_COUNT, sizeof *shard, by_id);
  for (int i = 0; i < SHARD_COUNT; i++) {
    const struct shard *named = &shards[shard[i]];
    const uint8_t *id = (const uint8_t *)named->id;
    const uint32_t bytes = (uint32_t)strlen(named->id);
    position[i] = (uint32_t)(xxh64(id, bytes, 0) % TABLE_SIZE);
    skip[i] = (uint32_t)(xxh64(id, bytes, 1) % (TABLE_SIZE - 1)) + 1;
    weight[i] = named->weight;
    if (weight[i] > weight_max) weight_max = weight[i];
  }
  memset(entries, 0xff, sizeof entries);
  memset(target, 0, sizeof target);
  uint32_t filled = 0;
  for (uint64_t round = 1; filled < TABLE_SIZE; round++) {
    for (int i = 0; i < SHARD_COUNT && filled < TABLE_SIZE; i++) {
      if (weight[i] == 0 || round * weight[i] < target[i]) continue;
      target[i] += weight_max;
      take_entry(i);
      filled++;
    }
  }
  return entries[0];
}

static uint32_t choose(uint32_t index) {
  put_key(index);
  const uint16_t entry = entries[xxh64(buffer, KEY_BYTES, 0) % TABLE_SIZE];
  return entry == 0xffff ? UINT32_MAX : entry;
}

int main(int argc, char **argv) {
  if (argc != 3) return refuse("an operation and how often");
  const int is_build = strcmp(argv[1], "build") == 0;
  write_keys();
  for (uint32_t i = 0; i < SHARD_COUNT; i++) {
    snprintf(shards[i].id, sizeof shards[i].id, "shard-%u", i);
    shards[i].weight = 10 + i * 7 % 41;
  }
  build(0);
  uint32_t checksum = FNV_START;
  for (uint32_t i = 0; i < (is_build ? TABLE_SIZE : 1024); i++) checksum = fold(checksum, is_build ? entries[i] : choose(i));
  return report(is_build ? build : choose, atoi(argv[2]), checksum);
}
