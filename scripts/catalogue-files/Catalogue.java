// Prints what one Kafka release says of its properties: one JSON document a line, brokers' properties first, then the
// names of topics' and clients' properties. Runs as source, with nothing but the release on the class path:
//
//     java -cp '<release>/libs/*' Catalogue.java
//
// Kafka moved its definitions several times, so each is looked for where some release from 2.4 to 4.3 keeps it.

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.TopicConfig;

public class Catalogue {

    private static final Pattern LEVELS = Pattern.compile("\\[(-?\\d+),\\.\\.\\.,(-?\\d+)\\] or (-?\\d+)");

    public static void main(String[] arguments) throws Exception {
        Map<String, String> dynamic = dynamicModes();
        ConfigDef definition = definition();
        for (ConfigDef.ConfigKey key : new TreeMap<>(definition.configKeys()).values()) {
            System.out.println(json(broker(key, dynamic)));
        }
        Map<String, String> ofBroker = topicSynonyms();
        for (String name : topicNames()) {
            Map<String, Object> line = line("topic", name);
            line.put("broker", ofBroker.get(name));
            System.out.println(json(line));
        }
        for (String name : clientNames()) {
            System.out.println(json(line("client", name)));
        }
    }

    private static Map<String, Object> broker(ConfigDef.ConfigKey key, Map<String, String> dynamic) throws Exception {
        Map<String, Object> line = line("broker", key.name);
        line.put("type", key.type.name().toLowerCase());
        if (key.hasDefault()) {
            line.put("default", ConfigDef.convertToString(key.defaultValue, key.type));
        }
        describe(key.validator, line);
        line.put("importance", key.importance.name().toLowerCase());
        if (key.internalConfig) {
            line.put("internal", true);
        }
        line.put("dynamic", dynamic.getOrDefault(key.name, "read-only"));
        return line;
    }

    /** Adds what a validator accepts; one whose rule is code is added by its name only. */
    private static void describe(ConfigDef.Validator validator, Map<String, Object> line) throws Exception {
        if (validator == null) {
            return;
        }
        switch (validator.getClass().getSimpleName()) {
            case "Range":
                putNumber("min", field(validator, "min"), line);
                putNumber("max", field(validator, "max"), line);
                break;
            case "ValidString":
                line.put("one_of", field(validator, "validStrings"));
                break;
            case "CaseInsensitiveValidString":
                line.put("one_of", new TreeSet<>((Collection<?>) field(validator, "validStrings")));
                line.put("any_case", true);
                break;
            case "ValidList":
                Collection<?> words = (Collection<?>) field(field(validator, "validString"), "validStrings");
                if (!words.isEmpty()) {
                    line.put("each_of", words);
                }
                // Since 4.2 (KIP-1161) it says whether the list may be empty; of equal values brokers take one.
                if (Boolean.FALSE.equals(fieldOrNull(validator, "isEmptyAllowed"))) {
                    line.put("non_empty", true);
                }
                break;
            case "NonEmptyString":
            case "NonEmptyStringWithoutControlChars":
                line.put("non_empty", true);
                break;
            case "CompositeValidator":
                for (Object part : (Collection<?>) field(validator, "validators")) {
                    describe((ConfigDef.Validator) part, line);
                }
                break;
            default:
                // A compression level: the range of its codec, or one number for the codec's own choice.
                Matcher levels = LEVELS.matcher(String.valueOf(validator));
                if (levels.matches()) {
                    line.put("min", Integer.valueOf(levels.group(1)));
                    line.put("max", Integer.valueOf(levels.group(2)));
                    line.put("or", Integer.valueOf(levels.group(3)));
                } else {
                    line.put("checked_by", validator.getClass().getSimpleName().replace("$", ""));
                }
        }
    }

    private static void putNumber(String name, Object number, Map<String, Object> line) {
        if (number != null) {
            line.put(name, number);
        }
    }

    private static ConfigDef definition() throws Exception {
        try {
            return (ConfigDef) Class.forName("org.apache.kafka.server.config.AbstractKafkaConfig").getField("CONFIG_DEF").get(null);
        } catch (ClassNotFoundException | NoSuchFieldException earlier) {
            Object companion = module("kafka.server.KafkaConfig$");
            for (String name : List.of("configDef", "kafka$server$KafkaConfig$$configDef")) {
                try {
                    return (ConfigDef) call(companion, name);
                } catch (NoSuchMethodException next) {
                    continue;
                }
            }
            throw new IllegalStateException("this release keeps KafkaConfig's ConfigDef where none before did");
        }
    }

    private static Map<String, String> dynamicModes() throws Exception {
        Object modes;
        try {
            modes = Class.forName("org.apache.kafka.server.config.DynamicBrokerConfig").getMethod("dynamicConfigUpdateModes").invoke(null);
        } catch (ClassNotFoundException earlier) {
            modes = call(module("kafka.server.DynamicBrokerConfig$"), "dynamicConfigUpdateModes");
        }
        return strings((Map<?, ?>) modes);
    }

    private static Map<String, String> topicSynonyms() throws Exception {
        for (String name : List.of("org.apache.kafka.server.config.ServerTopicConfigSynonyms", "org.apache.kafka.storage.internals.log.LogConfig")) {
            try {
                return strings((Map<?, ?>) Class.forName(name).getField("TOPIC_CONFIG_SYNONYMS").get(null));
            } catch (ClassNotFoundException | NoSuchFieldException earlier) {
                continue;
            }
        }
        Map<String, String> found = new TreeMap<>();
        Object iterator = call(call(module("kafka.log.LogConfig$"), "TopicConfigSynonyms"), "iterator");
        while ((Boolean) call(iterator, "hasNext")) {
            Object pair = call(iterator, "next");
            found.put((String) call(pair, "_1"), (String) call(pair, "_2"));
        }
        return found;
    }

    private static Collection<String> topicNames() throws Exception {
        Collection<String> found = new TreeSet<>();
        for (Field constant : TopicConfig.class.getFields()) {
            if (constant.getName().endsWith("_CONFIG") && Modifier.isStatic(constant.getModifiers())) {
                found.add((String) constant.get(null));
            }
        }
        return found;
    }

    private static Collection<String> clientNames() throws Exception {
        Collection<String> found = new TreeSet<>();
        for (String name : List.of("producer.ProducerConfig", "consumer.ConsumerConfig", "admin.AdminClientConfig")) {
            for (Object key : (Collection<?>) Class.forName("org.apache.kafka.clients." + name).getMethod("configNames").invoke(null)) {
                found.add((String) key);
            }
        }
        return found;
    }

    private static Object module(String scalaObject) throws Exception {
        return Class.forName(scalaObject).getField("MODULE$").get(null);
    }

    private static Object call(Object target, String method) throws Exception {
        // Through the public type that declares it: a Scala collection's own class need not be accessible.
        for (Method candidate : target.getClass().getMethods()) {
            if (candidate.getName().equals(method) && candidate.getParameterCount() == 0) {
                candidate.setAccessible(true);
                return candidate.invoke(target);
            }
        }
        throw new NoSuchMethodException(method);
    }

    private static Object field(Object holder, String name) throws Exception {
        Field field = holder.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(holder);
    }

    private static Object fieldOrNull(Object holder, String name) throws Exception {
        return Arrays.stream(holder.getClass().getDeclaredFields()).anyMatch(field -> field.getName().equals(name)) ? field(holder, name) : null;
    }

    private static Map<String, String> strings(Map<?, ?> map) {
        Map<String, String> found = new TreeMap<>();
        map.forEach((key, value) -> found.put((String) key, (String) value));
        return found;
    }

    private static Map<String, Object> line(String kind, String name) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("kind", kind);
        line.put("name", name);
        return line;
    }

    private static String json(Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return String.valueOf(value);
        }
        if (value instanceof Map) {
            List<String> pairs = new ArrayList<>();
            ((Map<?, ?>) value).forEach((key, inner) -> pairs.add(json(key) + ": " + json(inner)));
            return "{" + String.join(", ", pairs) + "}";
        }
        if (value instanceof Collection) {
            List<String> items = new ArrayList<>();
            ((Collection<?>) value).forEach(item -> items.add(json(item)));
            return "[" + String.join(", ", items) + "]";
        }
        StringBuilder quoted = new StringBuilder("\"");
        for (char letter : value.toString().toCharArray()) {
            quoted.append(letter == '"' || letter == '\\' || letter < ' ' ? String.format("\\u%04x", (int) letter) : letter);
        }
        return quoted.append('"').toString();
    }
}
