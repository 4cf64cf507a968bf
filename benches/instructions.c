// A plugin for qemu-user (QEMU 7 or 8): prints how many instructions the emulated program ran.
//
// Built by benches/instructions.sh. The few declarations of QEMU's plugin interface (version 1) that are used stand here,
// since distributions do not package its header.
#include <inttypes.h>
#include <stdio.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum { QEMU_PLUGIN_CB_NO_REGS };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(
    struct qemu_plugin_tb *block, void (*)(unsigned cpu, void *data), int registers, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*)(qemu_plugin_id_t, void *), void *data);
void qemu_plugin_outs(const char *text);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t instructions;

// Threads run side by side.
static void executed(unsigned cpu, void *count) { __atomic_fetch_add(&instructions, (uintptr_t)count, __ATOMIC_RELAXED); }

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    void *count = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, QEMU_PLUGIN_CB_NO_REGS, count);
}

static void ended(qemu_plugin_id_t id, void *data) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 "\n", instructions);
    qemu_plugin_outs(text);
}

__attribute__((visibility("default"))) int qemu_plugin_install(
    qemu_plugin_id_t id, const void *information, int count, char **arguments) {
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
