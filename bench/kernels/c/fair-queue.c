// The push and pop of wasm/assembly/schedule/fair-queue/*.ts in C, its layout included, and their time together.
// Run: ./fair-queue <operations>. The checksum is of the first 65,536 handles popped.
//
// Left out, for a push and a pop by turns among 10,000 waiting never reach it: eviction (a full flow or queue refuses),
// removal by handle, expiry (a pop takes the root of a heap of items, never one from within), closing a flow, setting
// its weight, and rebasing the virtual time, which is due after 2²⁶ operations at the soonest: the program refuses to go on.
#include <math.h>
#include <stddef.h>
#include "bench.h"

#define ITEM_CAPACITY 16384u
#define FLOW_CAPACITY 32u
#define CLASS_CAPACITY 4u
#define WAITING_COUNT 10000u
#define DEADLINE_AFTER_MS 3600000u
#define COST_MAX (1u << 28)
#define URGENCY_COUNT 8u
#define TIME_MS_MAX 9007199254740991.0
#define NO_DEADLINE UINT64_MAX
#define REBASE_AT (1ull << 62)
enum { NONE = -1, FLOW_FULL = -2, FULL = -3, EXPIRED = -4, NO_FLOW = -5, NO_ARGUMENT = -6 };

/** A link is an offset in `memory`, as it is an address in the kernel's; 0 is none. */
typedef uint32_t link;

struct queue {
  uint32_t item_capacity, flow_capacity, class_capacity, length;
  link free_item, free_flow;
  uint32_t class_mask, cost_largest;
  uint64_t virtual, finish_latest, sequence, age_step_ms;
  link classes, flows, items, deadlines;
  uint32_t deadline_count, out_flow, out_urgency, out_cost;
  double out_deadline_ms, out_evicted, out_expired[64];
};

struct entry {
  uint64_t deadline_ms;
  link item;
  uint32_t sequence;
};

struct item {
  uint64_t rank, deadline_ms, sequence;
  link child, sibling, previous, newer, older, flow;
  uint32_t cost, generation;
  link deadline_entry;
  uint8_t urgency, follows, unused[2];
};

struct flow {
  uint64_t inverse, start, finish, queued_cost;
  uint32_t weight;
  link class, root;
  uint32_t heap_slot, length, length_max, urgency_mask, index;
  link newest[URGENCY_COUNT];
};

struct class {
  uint64_t inverse, start, finish, virtual, finish_latest, queued_cost, waiting_weight;
  uint32_t weight, length;
  link heap;
  uint32_t heap_count, index, unused;
};

static struct {
  struct queue queue;
  /** So that the four children of an entry share a cache line. */
  _Alignas(64) uint8_t before[48];
  struct entry deadlines[ITEM_CAPACITY];
  _Alignas(64) struct item items[ITEM_CAPACITY];
  struct flow flows[FLOW_CAPACITY];
  struct class classes[CLASS_CAPACITY];
  link heaps[CLASS_CAPACITY][FLOW_CAPACITY];
} memory;

_Static_assert(sizeof(struct item) == 64 && sizeof(struct flow) == 96 && sizeof(struct class) == 80, "as in layout.ts");
_Static_assert(sizeof(struct entry) == 16 && sizeof(struct queue) == 624, "as in layout.ts");

static struct queue *const q = &memory.queue;
#define AT(type, at) ((type *)((uint8_t *)&memory + (at)))
#define LINK(pointer) ((link)((uint8_t *)(pointer) - (uint8_t *)&memory))

static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }

static int is_time(double ms) { return ms >= 0 && ms <= TIME_MS_MAX && floor(ms) == ms; }

// deadlines.ts

static int is_any_due(uint64_t now_ms) { return q->deadline_count != 0 && AT(struct entry, q->deadlines)->deadline_ms <= now_ms; }

static int is_sooner(uint64_t deadline_ms, uint32_t sequence, const struct entry *other) {
  const int is_older = (int32_t)(sequence - other->sequence) < 0;
  return (deadline_ms < other->deadline_ms) | ((deadline_ms == other->deadline_ms) & is_older);
}

static void copy_entry(struct entry *to, const struct entry *from) {
  const link item = from->item;
  *to = *from;
  AT(struct item, item)->deadline_entry = LINK(to);
}

static void sift_up_deadline(struct entry *first, uint32_t hole, link of) {
  struct item *item = AT(struct item, of);
  const uint64_t deadline_ms = item->deadline_ms;
  const uint32_t sequence = (uint32_t)item->sequence;
  while (hole != 0) {
    const uint32_t parent = (hole - 1) >> 2;
    if (!is_sooner(deadline_ms, sequence, first + parent)) break;
    copy_entry(first + hole, first + parent);
    hole = parent;
  }
  first[hole] = (struct entry){deadline_ms, of, sequence};
  item->deadline_entry = LINK(first + hole);
}

static uint32_t sift_hole_deadline(struct entry *first, uint32_t hole, uint32_t end) {
  const uint64_t deadline_ms = first[end].deadline_ms;
  const uint32_t sequence = first[end].sequence;
  for (uint32_t eldest = (hole << 2) + 1; eldest < end; eldest = (hole << 2) + 1) {
    const uint32_t children_end = eldest + 4 < end ? eldest + 4 : end;
    uint32_t best = eldest;
    for (uint32_t child = eldest + 1; child < children_end; child++) {
      const uint32_t mask = -(uint32_t)is_sooner(first[child].deadline_ms, first[child].sequence, first + best);
      best ^= (best ^ child) & mask;
    }
    if (is_sooner(deadline_ms, sequence, first + best)) break;
    copy_entry(first + hole, first + best);
    hole = best;
  }
  return hole;
}

static void add_deadline(link item) { sift_up_deadline(AT(struct entry, q->deadlines), q->deadline_count++, item); }

static void remove_deadline(link of) {
  struct item *item = AT(struct item, of);
  if (item->deadline_entry == 0) return;
  struct entry *first = AT(struct entry, q->deadlines);
  const uint32_t slot = (uint32_t)(AT(struct entry, item->deadline_entry) - first), end = --q->deadline_count;
  item->deadline_entry = 0;
  const link last = first[end].item;
  if (last != of) sift_up_deadline(first, sift_hole_deadline(first, slot, end), last);
}

// item-heap.ts

static int item_goes_before(link of_a, link of_b) {
  const struct item *a = AT(struct item, of_a), *b = AT(struct item, of_b);
  const int is_older = a->sequence < b->sequence;
  const int is_sooner = (a->deadline_ms < b->deadline_ms) | ((a->deadline_ms == b->deadline_ms) & is_older);
  return (a->rank < b->rank) | ((a->rank == b->rank) & is_sooner);
}

static link merge_items(link a, link b) {
  if (a == 0) return b;
  const link swap = (a ^ b) & -(link)item_goes_before(b, a), parent = a ^ swap, child = b ^ swap;
  struct item *to = AT(struct item, parent), *of = AT(struct item, child);
  const link first = to->child;
  of->sibling = first;
  if (first != 0) AT(struct item, first)->previous = child;
  of->previous = parent;
  to->child = child;
  return parent;
}

static link merge_children(link first) {
  link stack = 0, next = first, root = 0;
  while (next != 0) {
    const link left = next, right = AT(struct item, left)->sibling;
    next = right == 0 ? 0 : AT(struct item, right)->sibling;
    const link pair = right == 0 ? left : merge_items(left, right);
    AT(struct item, pair)->sibling = stack;
    stack = pair;
  }
  while (stack != 0) {
    const link rest = AT(struct item, stack)->sibling;
    root = merge_items(root, stack);
    stack = rest;
  }
  return root;
}

// runs.ts

static void start_run(struct flow *flow, link of) {
  struct item *item = AT(struct item, of);
  item->follows = 0;
  item->child = 0;
  flow->root = merge_items(flow->root, of);
}

static void enter_run(struct flow *flow, link of, uint32_t urgency) {
  struct item *item = AT(struct item, of);
  const link older = flow->newest[urgency];
  flow->newest[urgency] = of;
  item->older = older;
  item->newer = 0;
  if (older == 0) flow->urgency_mask |= 1u << urgency;
  else {
    AT(struct item, older)->newer = of;
    if (!item_goes_before(of, older)) {
      item->follows = 1;
      return;
    }
  }
  start_run(flow, of);
}

static void unlink_item(struct flow *flow, const struct item *item) {
  if (item->older != 0) AT(struct item, item->older)->newer = item->newer;
  if (item->newer != 0) {
    AT(struct item, item->newer)->older = item->older;
    return;
  }
  flow->newest[item->urgency] = item->older;
  if (item->older == 0) flow->urgency_mask &= ~(1u << item->urgency);
}

/** Of the flow's root. */
static void leave_run(struct flow *flow, struct item *item) {
  unlink_item(flow, item);
  flow->root = merge_children(item->child);
  item->child = 0;
  if (item->newer != 0 && AT(struct item, item->newer)->follows != 0) start_run(flow, item->newer);
}

// flow-heap.ts

static int flow_goes_before(link a, link b) {
  const uint64_t start_a = AT(struct flow, a)->start, start_b = AT(struct flow, b)->start;
  return start_a < start_b || (start_a == start_b && a < b);
}

static void put(link *heap, uint32_t slot, link flow) {
  heap[slot] = flow;
  AT(struct flow, flow)->heap_slot = slot;
}

static void sift_up_flow(link *heap, uint32_t hole, link flow) {
  while (hole != 0) {
    const uint32_t above = (hole - 1) >> 1;
    if (!flow_goes_before(flow, heap[above])) break;
    put(heap, hole, heap[above]);
    hole = above;
  }
  put(heap, hole, flow);
}

static uint32_t sift_hole_flow(link *heap, uint32_t hole, uint32_t count, link flow) {
  for (uint32_t slot = (hole << 1) + 1; slot < count; slot = (hole << 1) + 1) {
    if (slot + 1 < count && flow_goes_before(heap[slot + 1], heap[slot])) slot++;
    if (flow_goes_before(flow, heap[slot])) break;
    put(heap, hole, heap[slot]);
    hole = slot;
  }
  return hole;
}

static void remove_flow(struct class *class, link flow) {
  link *heap = AT(link, class->heap);
  const uint32_t count = --class->heap_count;
  const link last = heap[count];
  if (last != flow) sift_up_flow(heap, sift_hole_flow(heap, AT(struct flow, flow)->heap_slot, count, last), last);
}

static void requeue_first(struct class *class, link flow) {
  link *heap = AT(link, class->heap);
  put(heap, sift_hole_flow(heap, 0, class->heap_count, flow), flow);
}

// virtual-time.ts

static struct class *first_class(void) {
  struct class *classes = AT(struct class, q->classes), *best = NULL;
  uint64_t best_start = UINT64_MAX;
  for (uint32_t mask = q->class_mask; mask != 0; mask &= mask - 1) {
    struct class *class = classes + __builtin_ctz(mask);
    if (class->start >= best_start) continue;
    best = class;
    best_start = class->start;
  }
  return best;
}

static void wake_flow(struct class *class, link of) {
  struct flow *flow = AT(struct flow, of);
  flow->start = most(class->virtual, flow->finish);
  class->waiting_weight += flow->weight;
  sift_up_flow(AT(link, class->heap), class->heap_count++, of);
  const uint32_t bit = 1u << class->index;
  if ((q->class_mask & bit) != 0) return;
  q->class_mask |= bit;
  class->start = most(q->virtual, class->finish);
}

static void charge(struct class *class, link of, uint32_t cost) {
  struct flow *flow = AT(struct flow, of);
  const uint64_t class_start = class->start, class_finish = class_start + cost * class->inverse;
  q->virtual = class_start;
  q->finish_latest = most(q->finish_latest, class_finish);
  class->start = class->finish = class_finish;
  const uint64_t flow_start = flow->start, flow_finish = flow_start + cost * flow->inverse;
  class->virtual = flow_start;
  class->finish_latest = most(class->finish_latest, flow_finish);
  flow->start = flow->finish = flow_finish;
  requeue_first(class, of);
  if (flow_start > REBASE_AT || class_start > REBASE_AT) exit(refuse("fewer operations: rebasing is left out"));
}

static void rest(struct class *class, link of) {
  const struct flow *flow = AT(struct flow, of);
  if (flow->length != 0) return;
  remove_flow(class, of);
  class->waiting_weight -= flow->weight;
  if (class->length != 0) return;
  class->virtual = class->finish_latest;
  q->class_mask &= ~(1u << class->index);
  if (q->length == 0) q->virtual = q->finish_latest;
}

// items.ts

static double handle_of(link item) {
  const uint32_t index = (item - q->items) >> 6;
  return (double)(((uint64_t)AT(struct item, item)->generation << 20) | index);
}

static link take_item(void) {
  const link item = q->free_item;
  q->free_item = AT(struct item, item)->child;
  return item;
}

static void free_item(link of) {
  struct item *item = AT(struct item, of);
  item->generation++;
  item->flow = 0;
  item->child = q->free_item;
  q->free_item = of;
}

// fair-queue.ts and flows.ts

static void add(struct class *class, struct flow *flow, uint32_t count) {
  q->length += count;
  class->length += count;
  flow->length += count;
}

static void attach(link of_flow, link of) {
  struct flow *flow = AT(struct flow, of_flow);
  struct class *class = AT(struct class, flow->class);
  struct item *item = AT(struct item, of);
  item->flow = of_flow;
  enter_run(flow, of, item->urgency);
  if (item->deadline_ms != NO_DEADLINE) add_deadline(of);
  else item->deadline_entry = 0;
  add(class, flow, 1);
  flow->queued_cost += item->cost;
  class->queued_cost += item->cost;
}

static void detach(link of_flow, link of) {
  struct flow *flow = AT(struct flow, of_flow);
  struct class *class = AT(struct class, flow->class);
  struct item *item = AT(struct item, of);
  q->out_flow = flow->index;
  q->out_urgency = item->urgency;
  q->out_cost = item->cost;
  q->out_deadline_ms = item->deadline_ms == NO_DEADLINE ? INFINITY : (double)item->deadline_ms;
  leave_run(flow, item);
  remove_deadline(of);
  add(class, flow, -1u);
  flow->queued_cost -= item->cost;
  class->queued_cost -= item->cost;
  free_item(of);
}

static link flow_of(uint32_t index) {
  if (index >= q->flow_capacity) return 0;
  const link flow = q->flows + index * (link)sizeof(struct flow);
  return AT(struct flow, flow)->class == 0 ? 0 : flow;
}

static double push(uint32_t flow_index, uint32_t urgency, uint32_t cost, double arrival_ms, double deadline_ms) {
  q->out_evicted = NONE;
  const link of_flow = flow_of(flow_index);
  if (of_flow == 0) return NO_FLOW;
  if (urgency >= URGENCY_COUNT || cost == 0 || cost > COST_MAX || !is_time(arrival_ms)) return NO_ARGUMENT;
  if (deadline_ms != INFINITY && !is_time(deadline_ms)) return NO_ARGUMENT;
  struct flow *flow = AT(struct flow, of_flow);
  const uint32_t length = flow->length;
  if (length >= flow->length_max) return FLOW_FULL;
  if (q->length == q->item_capacity) return FULL;
  const link of = take_item();
  struct item *item = AT(struct item, of);
  item->sequence = q->sequence++;
  item->rank = (uint64_t)arrival_ms / q->age_step_ms + urgency;
  item->deadline_ms = deadline_ms == INFINITY ? NO_DEADLINE : (uint64_t)deadline_ms;
  item->cost = cost;
  item->urgency = (uint8_t)urgency;
  q->cost_largest = q->cost_largest > cost ? q->cost_largest : cost;
  attach(of_flow, of);
  if (length == 0) wake_flow(AT(struct class, flow->class), of_flow);
  return handle_of(of);
}

static double pop(double now_ms) {
  if (!is_time(now_ms)) return NO_ARGUMENT;
  if (q->length == 0) return NONE;
  if (is_any_due((uint64_t)now_ms)) return EXPIRED;
  struct class *class = first_class();
  const link flow = AT(link, class->heap)[0], item = AT(struct flow, flow)->root;
  const double handle = handle_of(item);
  const uint32_t cost = AT(struct item, item)->cost;
  detach(flow, item);
  charge(class, flow, cost);
  rest(class, flow);
  return handle;
}

static void init(uint64_t age_step_ms) {
  q->item_capacity = ITEM_CAPACITY;
  q->flow_capacity = FLOW_CAPACITY;
  q->class_capacity = CLASS_CAPACITY;
  q->age_step_ms = age_step_ms;
  q->deadlines = LINK(memory.deadlines);
  q->items = LINK(memory.items);
  q->flows = LINK(memory.flows);
  q->classes = LINK(memory.classes);
  for (uint32_t i = ITEM_CAPACITY; i-- > 0; q->free_item = LINK(memory.items + i)) memory.items[i].child = q->free_item;
  for (uint32_t i = 0; i < CLASS_CAPACITY; i++) {
    struct class *class = memory.classes + i;
    class->index = i;
    class->heap = LINK(memory.heaps[i]);
    class->weight = 1 + i;
    class->inverse = (1ull << 32) / class->weight;
  }
  for (uint32_t i = 0; i < FLOW_CAPACITY; i++) {
    struct flow *flow = memory.flows + i;
    flow->index = i;
    flow->class = LINK(memory.classes + i % CLASS_CAPACITY);
    flow->weight = 1 + i % 5;
    flow->inverse = (1ull << 32) / flow->weight;
    flow->length_max = ITEM_CAPACITY;
  }
}

static uint32_t tick;

static void push_at(uint32_t index, double now_ms) {
  const uint32_t a = word_a(index), b = word_b(index);
  push(a >> 27, b >> 29, 1 + ((a >> 16) & 15), now_ms, now_ms + DEADLINE_AFTER_MS);
}

static uint32_t push_and_pop(uint32_t index) {
  const double now_ms = tick++;
  push_at(index, now_ms);
  const double handle = pop(now_ms);
  if (handle < 0) exit(refuse("an item that waits"));
  return (uint32_t)(uint64_t)handle;
}

int main(int argc, char **argv) {
  if (argc != 2) return refuse("how often");
  init(1000);
  for (uint32_t i = 0; i < WAITING_COUNT; i++) push_at(i, 0);
  uint32_t checksum = FNV_START;
  for (uint32_t i = 0; i <= INDEX_MASK; i++) checksum = fold(checksum, push_and_pop(i));
  return report(push_and_pop, atoi(argv[1]), checksum);
}
